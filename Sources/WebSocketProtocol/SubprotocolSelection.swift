/// Which of the offered subprotocols a connection speaks (RFC 6455 §1.9, §4.2.2).
package enum SubprotocolSelection {
    /// The first of `supported` that was offered, so the *server's* order decides; `nil` if the
    /// two have nothing in common. Names are compared exactly: their case matters.
    /// All are tokens, hence ASCII.
    package static func choose(offered: [String], supported: [String]) -> String? {
        supported.first(where: offered.contains)
    }
}
