import CLibuv
import Glibc

/// Listening on a Unix-domain socket, whose file must not belong to another process.
extension ListeningSocket {
    /// Binds a Unix-domain socket, replacing a stale file that no one listens on.
    ///
    /// If two processes do so at the same time, one succeeds, and the other fails because the
    /// address is in use.
    ///
    /// - Parameters:
    ///   - mode: The permission bits of the file; `nil` leaves them to the umask.
    ///   - group: The group of the file, by name or number; `nil` is that of the process.
    package static func listen(
        unix path: String, backlog: Int, mode: UInt32? = nil, group: String? = nil
    ) throws(TransportError) -> ListeningSocket {
        let address = try RawAddress.unix(path)
        let operation = "listen on unix:\(path)"
        // The lock is held from the check of the existing file until the new socket listens. Before
        // that, the new socket itself would look stale.
        let lock = FolderLock(of: path)
        defer { lock.release() }
        try removeStale(path, address, operation)
        let descriptor = try makeSocket(AF_UNIX, operation)
        guard
            unsafe address.withSockaddr({ unsafe Glibc.bind(descriptor, $0, address.length) }) == 0,
            let file = SocketFile(at: path)
        else {
            let error = TransportError.lastSystemError(operation)
            Glibc.close(descriptor)
            throw error
        }
        do throws(TransportError) {
            try setAccess(to: path, mode: mode, group: group)
            guard Glibc.listen(descriptor, Int32(backlog)) == 0 else {
                throw .lastSystemError(operation)
            }
        } catch {
            unsafe unlink(path)
            Glibc.close(descriptor)
            throw error
        }
        return ListeningSocket(descriptor: descriptor, address: .unix, file: file)
    }

    /// Sets the access to a socket's file. Nobody can connect before the socket listens.
    private static func setAccess(
        to path: String, mode: UInt32?, group: String?
    ) throws(TransportError) {
        if let group {
            let operation = "give the socket unix:\(path) to the group \(group)"
            guard let number = groupNumber(of: group) else {
                throw TransportError(code: UV_ENOENT.rawValue, operation: operation)
            }
            if unsafe lchown(path, uid_t.max, number) != 0 { throw .lastSystemError(operation) }
        }
        if let mode, unsafe chmod(path, mode) != 0 {
            throw .lastSystemError("set the mode of unix:\(path)")
        }
    }

    /// Looks up a group; `nil` if there is none of that name.
    private static func groupNumber(of name: String) -> gid_t? {
        if let number = gid_t(name) { return number }
        var entry = unsafe group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        // Safety: `buffer` holds what `entry` refers to, and outlives it.
        return unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            let code = unsafe getgrnam_r(
                name, &entry, buffer.baseAddress!, buffer.count, &found)
            return unsafe code == 0 && found != nil ? entry.gr_gid : nil
        }
    }

    private static func removeStale(
        _ path: String, _ address: RawAddress, _ operation: String
    ) throws(TransportError) {
        var information = stat()
        guard unsafe lstat(path, &information) == 0 else { return }
        guard information.st_mode & S_IFMT == S_IFSOCK else {
            throw TransportError(code: UV_EEXIST.rawValue, operation: operation)
        }
        let probe = try makeSocket(AF_UNIX, operation)
        defer { Glibc.close(probe) }
        let isConnected =
            unsafe address.withSockaddr { unsafe connect(probe, $0, address.length) } == 0
        switch isConnected ? EADDRINUSE : errno {
        // Nobody listens any more.
        case ECONNREFUSED: unsafe unlink(path)
        case ENOENT: return
        // Somebody listens whose queue is full, or by another kind of socket.
        case EADDRINUSE, EAGAIN, EPROTOTYPE:
            throw TransportError(code: UV_EADDRINUSE.rawValue, operation: operation)
        case let error: throw TransportError(code: -error, operation: operation)
        }
    }
}

/// The file that a Unix-domain socket was bound to.
struct SocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Finds the file at a path; `nil` if there is none.
    init?(at path: String) {
        var information = stat()
        guard unsafe lstat(path, &information) == 0 else { return nil }
        self.path = path
        device = information.st_dev
        inode = information.st_ino
    }

    /// Removes the file, unless another file has replaced it at its path.
    func remove() {
        let lock = FolderLock(of: path)
        defer { lock.release() }
        guard let found = SocketFile(at: path), found.device == device, found.inode == inode else {
            return
        }
        unsafe unlink(path)
    }
}

/// A lock that makes other processes that listen on Unix-domain sockets in the same folder wait for
/// a moment.
private struct FolderLock {
    private static let attemptsMax = 200
    private static let microsecondsBetweenAttempts: UInt32 = 5_000

    /// The locked folder; -1 if it may not be read, or its file system has no locks.
    private let folder: Int32

    init(of path: String) {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let name = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        folder = unsafe open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        // Ours is held for no longer than a few system calls: one that lasts is somebody else's,
        // such as flock(1)'s, and is not waited for.
        for _ in 0..<Self.attemptsMax {
            if flock(folder, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return }
            usleep(Self.microsecondsBetweenAttempts)
        }
    }

    /// Closing the folder's descriptor ends the lock.
    func release() {
        if folder >= 0 { close(folder) }
    }
}
