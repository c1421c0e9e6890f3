import Dispatch
import Glibc
import Logging
import UVTransport
import WebSocketServer

/// The files of the tasks' database, as they were when it was opened.
///
/// SQLite continues to use a file that was unlinked or replaced. Everything it stores there is lost
/// at the end of the process (https://www.sqlite.org/howtocorrupt.html, section 2.4).
final class TaskFile: Sendable {
    private let path: String
    /// The database file and the files that SQLite keeps beside it, with their identities.
    private let opened: [(path: String, identity: FileStatus.Identity?)]
    /// The queue for calls to the file system, which may block; event loops must not wait for it.
    private let queue = DispatchQueue(label: "tasks.file")
    private let broken: LogThrottle

    /// Records the files of a database that was just opened and written to, so that all of them
    /// exist.
    init(openedAt path: String, logger: Logger) {
        self.path = path
        // If the path is a link, SQLite keeps its other files beside the target.
        let target = Self.target(of: path)
        opened = [path, target + "-wal", target + "-shm"].map { ($0, FileStatus($0)?.identity) }
        broken = LogThrottle(
            "the tasks' database can't be used: nothing is stored", level: .error,
            logger: logger)
    }

    private static func target(of path: String) -> String {
        // Safety: the system's copy belongs to this code, and is freed after it was converted.
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// Returns the problem with the files, or `nil`. It may block on the disk.
    func fault() -> String? {
        guard let fault = look() else { return nil }
        broken.log(["path": "\(path)", "error": "\(fault)"])
        return fault
    }

    /// Does the same as ``fault()`` without blocking.
    func faultFound() async -> String? {
        await withCheckedContinuation { continuation in
            queue.async { [self] in continuation.resume(returning: fault()) }
        }
    }

    private func look() -> String? {
        for (path, identity) in opened {
            guard let found = FileStatus(path)?.identity else {
                // SQLite may not have needed this file.
                if identity == nil { continue }
                return "its file is gone"
            }
            if found != identity { return "its file was replaced by another" }
        }
        // The file system may have become read-only after an error.
        if unsafe access(path, W_OK) != 0 {
            // Safety: the text is copied at once.
            return unsafe "its file can't be written: \(String(cString: strerror(errno)))"
        }
        return nil
    }
}
