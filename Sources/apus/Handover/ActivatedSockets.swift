import Glibc
import WebSocketServer

/// Listening sockets that a service manager passes to this process: the protocol of
/// `sd_listen_fds(3)`.
struct ActivatedSockets: Sendable, Equatable {
    /// The first of the descriptors, which follow each other.
    private static let first: Int32 = 3
    private static let countMax = 4_096

    let descriptors: [Int32]
    /// The names that the service manager gives them, for the log.
    var names = ""

    /// The addresses in place of those of the configuration. The service manager owns the files of
    /// Unix-domain sockets.
    var addresses: [ListenAddress] { descriptors.map { .inherited(descriptor: $0) } }

    /// Reads the environment. Returns `nil` if no sockets are meant for this process.
    ///
    /// - Throws: ``ActivationError`` if there is a number that makes no sense.
    static func find(
        in environment: [String: String], process: Int32 = getpid()
    ) throws(ActivationError) -> ActivatedSockets? {
        guard let count = environment["LISTEN_FDS"], let owner = environment["LISTEN_PID"] else {
            return nil
        }
        // The variables of a parent, which has used the sockets itself.
        guard owner == String(process) else { return nil }
        guard let count = Int(count), (0...countMax).contains(count) else {
            throw ActivationError(
                description: """
                    LISTEN_FDS is "\(count)", not a number of sockets. The service manager sets \
                    it; don't set it by hand.
                    """)
        }
        if count == 0 { return nil }
        return ActivatedSockets(
            descriptors: (0..<Int32(count)).map { first + $0 },
            names: environment["LISTEN_FDNAMES"] ?? "")
    }
}

/// An error in what the service manager has passed.
struct ActivationError: Error, CustomStringConvertible {
    let description: String
}
