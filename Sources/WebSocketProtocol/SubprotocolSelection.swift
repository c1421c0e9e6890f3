/// The choice of a subprotocol (RFC 6455 §1.9, §4.2.2).
package enum SubprotocolSelection {
    /// Returns the first of `supported` that was offered, so the *server's* order decides, or `nil`
    /// if there is none in common. Names are compared exactly, including their case. All of them
    /// are tokens and therefore ASCII.
    package static func choose(offered: [String], supported: [String]) -> String? {
        supported.first(where: offered.contains)
    }
}
