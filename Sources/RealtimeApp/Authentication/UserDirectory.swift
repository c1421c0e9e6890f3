import Foundation
import HTTPProtocol
import Logging
import Synchronization
import UVTransport
import WebSocketServer

/// The users of a file, read again when the file has changed; any thread, blocks while it reads.
///
/// While the file can't be read or is invalid, what it said before holds, and each sign-in tries it
/// again.
final class UserDirectory: Sendable {
    private let path: String
    private let logger: Logger
    private let unreadable: LogThrottle
    private let state: Mutex<UserDirectoryState>

    /// Reads the file; what is wrong with it is a fault of the configuration.
    init(path: String, logger: Logger) throws(AuthenticationFault) {
        self.path = path
        self.logger = logger
        unreadable = LogThrottle(
            "the users file can't be used: what it said before holds", level: .error,
            logger: logger)
        // Before it is read: a change in between is then seen.
        let stamp = FileStatus(path)?.settledStamp
        let data = try readFile(path, for: "auth.users")
        let file = try Self.parse(data, from: path)
        state = Mutex(UserDirectoryState(data: data, file: file, stamp: stamp))
    }

    private static func parse(
        _ data: Data, from path: String
    ) throws(AuthenticationFault) -> UsersFile {
        guard let text = String(data: data, encoding: .utf8) else {
            throw AuthenticationFault("auth.users", "\(path): not UTF-8")
        }
        do {
            return try UsersFile(text)
        } catch {
            let place = error.line.map { "\(path):\($0)" } ?? path
            throw AuthenticationFault("auth.users", "\(place): \(error.problem)")
        }
    }

    /// What the file says now, or said before it became invalid or unreadable; that is logged.
    var file: UsersFile {
        let status = FileStatus(path)
        return state.withLock { state in
            if let known = state.stamp, known == status?.stamp { return state.file }
            // Only a success counts: whatever the cause of a failure, it may be gone by itself.
            state.stamp = nil
            do throws(AuthenticationFault) {
                let data = try readFile(path, for: "auth.users")
                if data != state.data {
                    state.file = try Self.parse(data, from: path)
                    state.data = data
                    logger.info(
                        "users read again", metadata: ["users": "\(state.file.users.count)"])
                }
                state.stamp = status?.settledStamp
            } catch {
                unreadable.log(["error": "\(error)"])
            }
            return state.file
        }
    }

    /// The user whose name and password these are, as the file spells the name; `nil`: no one's,
    /// which takes as long to find out.
    func user(named name: UserName, password: ExactString) -> String? {
        file.user(named: name, password: password)
    }
}

/// What a ``UserDirectory`` guards; not nested in it, which Swift 6.3 miscompiles.
struct UserDirectoryState {
    /// What ``file`` was read from.
    var data: Data
    var file: UsersFile
    /// What the file at the path was like when ``data`` was read; `nil`: it is to be read again.
    var stamp: FileStatus.Stamp?
}
