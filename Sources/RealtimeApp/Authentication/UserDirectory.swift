import Foundation
import HTTPProtocol
import Logging
import Synchronization
import UVTransport
import WebSocketServer

/// The users of a file, which is read again after a change. Any thread may use it; it blocks while
/// it reads.
///
/// While the file is unreadable or invalid, its previous content applies, and each sign-in reads it
/// again.
final class UserDirectory: Sendable {
    private let path: String
    private let logger: Logger
    private let unreadable: LogThrottle
    private let state: Mutex<UserDirectoryState>

    /// Reads the file. Its errors are errors of the configuration.
    init(path: String, logger: Logger) throws(AuthenticationFault) {
        self.path = path
        self.logger = logger
        unreadable = LogThrottle(
            "the users file can't be used: its previous content applies", level: .error,
            logger: logger)
        // Taken before reading, so that a change in between is noticed.
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

    /// Returns the content of the file, or its previous content if it is invalid or unreadable,
    /// which is logged.
    var file: UsersFile {
        let status = FileStatus(path)
        return state.withLock { state in
            if let known = state.stamp, known == status?.stamp { return state.file }
            // Only a success is remembered, because the reason of a failure may disappear by
            // itself.
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

    /// Returns the name of the user with this name and password, as spelled in the file, or `nil`
    /// if there is none. A wrong name or password takes as long as a right one.
    func user(named name: UserName, password: ExactString) -> String? {
        file.user(named: name, password: password)
    }
}

/// The state that a ``UserDirectory`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct UserDirectoryState {
    /// The content from which ``file`` was parsed.
    var data: Data
    var file: UsersFile
    /// The identity of the file at the path when ``data`` was read; `nil` means that it must be
    /// read again.
    var stamp: FileStatus.Stamp?
}
