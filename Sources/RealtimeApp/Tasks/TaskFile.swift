import Dispatch
import Glibc
import Logging
import UVTransport
import WebSocketServer

/// The files of the tasks' database, as they were when it was opened.
///
/// SQLite goes on with a file that is unlinked or replaced, and what it stores then is lost at the
/// end of the process (https://www.sqlite.org/howtocorrupt.html, section 2.4).
final class TaskFile: Sendable {
    private let path: String
    /// The file and those that SQLite keeps beside it, and what they were.
    private let opened: [(path: String, identity: FileStatus.Identity?)]
    /// A file system may take its time; event loops don't wait for it.
    private let queue = DispatchQueue(label: "tasks.file")
    private let broken: LogThrottle

    /// The files of a database that has just been opened, and written to, so that all are there.
    init(openedAt path: String, logger: Logger) {
        self.path = path
        // Where the path is a link, SQLite keeps its other files beside what that leads to.
        let target = Self.target(of: path)
        opened = [path, target + "-wal", target + "-shm"].map { ($0, FileStatus($0)?.identity) }
        broken = LogThrottle(
            "the tasks' database can't be used: nothing is stored", level: .error,
            logger: logger)
    }

    private static func target(of path: String) -> String {
        // Safety: the system's copy is ours, and freed once it is a string.
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// The problem with the files, as a text; `nil` if there is none. May block on the disk.
    func fault() -> String? {
        guard let fault = look() else { return nil }
        broken.log(["path": "\(path)", "error": "\(fault)"])
        return fault
    }

    /// The same as ``fault()``, without blocking.
    func faultFound() async -> String? {
        await withCheckedContinuation { continuation in
            queue.async { [self] in continuation.resume(returning: fault()) }
        }
    }

    private func look() -> String? {
        for (path, identity) in opened {
            guard let found = FileStatus(path)?.identity else {
                // Never there, as where SQLite needs none.
                if identity == nil { continue }
                return "its file is gone"
            }
            if found != identity { return "its file was replaced by another" }
        }
        // Also where the file system has become read-only after an error.
        if unsafe access(path, W_OK) != 0 {
            // Safety: its text is copied at once.
            return unsafe "its file can't be written: \(String(cString: strerror(errno)))"
        }
        return nil
    }
}
