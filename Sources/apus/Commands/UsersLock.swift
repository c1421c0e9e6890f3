import Foundation

/// The lock that lets one `apus users` at a time change a users file. It is a lock on a second file
/// beside it, which exists only while the lock is held. The users file itself can't be locked,
/// because each change replaces it.
struct UsersLock {
    private let path: String
    private let descriptor: Int32

    /// Waits for other holders of the lock, each of which needs a few milliseconds.
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
        // Removes the file while the lock is held. A process that has opened it meanwhile sees that
        // it is gone, and opens it anew.
        unlink(path)
        close(descriptor)
    }

    private static func isStillAt(_ path: String, _ descriptor: Int32) -> Bool {
        var (named, opened) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(descriptor, &opened) == 0
            && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
    }
}
