import Foundation

/// Held by the one `apus users` that may change a users file: a lock on a file beside it, which is
/// there no longer than it is held. The users file itself can't be it, as each change replaces it.
struct UsersLock {
    private let path: String
    private let descriptor: Int32

    /// Waits for others to be done, who need a few milliseconds.
    init(besides file: String) throws {
        path = "\(file).lock"
        for _ in 0..<500 {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else {
                throw complaint("\(path) can't be opened: \(String(cString: strerror(errno)))")
            }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.isStillAt(path, descriptor) {
                self.descriptor = descriptor
                return
            }
            close(descriptor)
            usleep(20_000)
        }
        throw complaint("\(path) is held by another process; nothing was changed")
    }

    func release() {
        // While it is held: who has opened it meanwhile sees that it is gone, and opens it anew.
        unlink(path)
        close(descriptor)
    }

    private static func isStillAt(_ path: String, _ descriptor: Int32) -> Bool {
        var (named, opened) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(descriptor, &opened) == 0
            && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
    }
}
