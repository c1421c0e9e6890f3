import Foundation
import HTTPProtocol
import Logging
import Synchronization

/// The users of a file, read again when the file has changed; any thread, blocks while it reads.
final class UserDirectory: Sendable {
    private let path: String
    private let logger: Logger
    private let state: Mutex<UserDirectoryState>

    /// Reads the file; what is wrong with it is a fault of the configuration.
    init(path: String, logger: Logger) throws(AuthenticationFault) {
        self.path = path
        self.logger = logger
        let stamp = FileStamp(path)
        let file = try Self.read(path)
        state = Mutex(UserDirectoryState(stamp: stamp, file: file))
    }

    private static func read(_ path: String) throws(AuthenticationFault) -> UsersFile {
        let data = try readFile(path, for: "auth.users")
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

    /// What the file says now. If it has become faulty, what it said before: that is logged.
    private var file: UsersFile {
        let stamp = FileStamp(path)
        return state.withLock { state in
            if state.stamp == stamp { return state.file }
            state.stamp = stamp
            do throws(AuthenticationFault) {
                state.file = try Self.read(path)
                logger.info("users read again", metadata: ["users": "\(state.file.users.count)"])
            } catch {
                logger.error(
                    "the users file is faulty: what it said before holds",
                    metadata: ["error": "\(error)"])
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
    var stamp: FileStamp?
    var file: UsersFile
}

/// What changes when a file does.
struct FileStamp: Hashable {
    private let number: Int?
    private let size: Int?
    private let changed: Date?

    /// `nil` when there is no such file.
    init?(_ path: String) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else {
            return nil
        }
        number = attributes[.systemFileNumber] as? Int
        size = attributes[.size] as? Int
        changed = attributes[.modificationDate] as? Date
    }
}
