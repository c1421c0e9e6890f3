/// The reason why a server could not run.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    /// The kind of an error.
    public struct Code: Sendable, Hashable {
        private let name: String
        /// Another process listens there.
        public static let addressInUse = Code(name: "addressInUse")
        /// The address isn't one of this machine, isn't permitted, or can't be resolved.
        public static let cannotListen = Code(name: "cannotListen")
        /// The server was started before. It runs only once.
        public static let alreadyStarted = Code(name: "alreadyStarted")
    }

    /// The kind of the error.
    public let code: Code
    /// The problem and what to do, for people.
    public let description: String
    /// The cause, unless ``code`` says it all.
    public let underlying: (any Error)?

    static let alreadyStarted = ServerError(
        code: .alreadyStarted,
        description: "the server was started before, and a server runs once: make another one",
        underlying: nil)
}
