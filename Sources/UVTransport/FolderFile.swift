import CLibuv
import Glibc

/// Linux's `O_PATH`, which the Glibc module lacks.
private let pathOnly: Int32 = 0o10_000_000

/// A regular file below a folder, opened for reading. All functions block.
package final class FolderFile: Sendable {
    /// The file's size and time of modification, which change with its content.
    package struct Version: Sendable, Hashable {
        package let size: Int
        /// The time of the last change, in seconds since 1970.
        package let seconds: Int
        package let nanoseconds: Int

        fileprivate init(_ status: stat) {
            size = Int(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// The result of opening a path.
    package enum Opened: Sendable {
        case file(FolderFile)
        case folder
        /// There is nothing, or nothing that may be read: no such path, a path out of the folder, a
        /// device, a FIFO, a socket, no permission.
        case nothing
    }

    /// The error of a file that was changed while it was read.
    package struct Changed: Error {}

    private let descriptor: Int32
    package let version: Version

    private init(ownedDescriptor: Int32, _ version: Version) {
        descriptor = ownedDescriptor
        self.version = version
    }

    // Closing a file that was only read doesn't block.
    deinit { close(descriptor) }

    /// Opens `path` below `folder`. The path has neither empty segments nor `.` and `..`.
    ///
    /// - Parameter resolvesLinks: Whether symbolic links are followed, within the folder only. The
    ///   kernel does that from Linux 5.6 on; without it, no link is followed.
    /// - Throws: An error that has nothing to do with the path, such as too few descriptors.
    package static func open(
        _ path: String, below folder: String, resolvesLinks: Bool = true
    ) throws(TransportError) -> Opened {
        // Safety: the path is copied for the call.
        let root = unsafe Glibc.open(folder, pathOnly | O_DIRECTORY | O_CLOEXEC)
        if root < 0 { return try nothing(-errno) }
        defer { close(root) }
        // A look first: opening a device or a FIFO can have effects.
        let look = descriptor(of: path, below: root, onlyLooks: true, resolvesLinks)
        if look < 0 { return try nothing(look) }
        let kind = status(of: look)?.st_mode
        close(look)
        switch kind.map({ $0 & S_IFMT }) {
        case S_IFDIR: return .folder
        case S_IFREG: break
        default: return .nothing
        }
        let opened = descriptor(of: path, below: root, onlyLooks: false, resolvesLinks)
        if opened < 0 { return try nothing(opened) }
        // Another file may be there by now.
        guard let status = status(of: opened), status.st_mode & S_IFMT == S_IFREG else {
            close(opened)
            return .nothing
        }
        return .file(FolderFile(ownedDescriptor: opened, Version(status)))
    }

    private static func descriptor(
        of path: String, below root: Int32, onlyLooks: Bool, _ resolvesLinks: Bool
    ) -> Int32 {
        if resolvesLinks {
            // The kernel asks to try again if something was renamed meanwhile (openat2(2)).
            for _ in 0..<16 {
                // Safety: the path is copied for the call.
                let descriptor = unsafe apus_open_beneath(root, path, onlyLooks ? 1 : 0)
                if descriptor == -EAGAIN { continue }
                // A kernel without the call, or a sandbox that doesn't know it.
                if descriptor == -ENOSYS || descriptor == -EPERM { break }
                return descriptor
            }
        }
        var folder = root
        let names = path.utf8.split(separator: UInt8(ascii: "/"))
        for (index, name) in names.enumerated() {
            let isLast = index == names.count - 1
            // Safety: as above.
            let next = unsafe apus_open_name(
                folder, String(Substring(name)), isLast && !onlyLooks ? 0 : 1)
            if folder != root { close(folder) }
            if next < 0 || isLast { return next }
            folder = next
        }
        return -ENOENT
    }

    private static func status(of descriptor: Int32) -> stat? {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? status : nil
    }

    /// Returns ``Opened/nothing`` for an error that the path causes; throws any other.
    private static func nothing(_ code: Int32) throws(TransportError) -> Opened {
        switch -code {
        // ELOOP: a link where none is followed. EXDEV: out of the folder.
        case ENOENT, ENOTDIR, ELOOP, EXDEV, EACCES, EPERM, ENAMETOOLONG, EINVAL, ENXIO, ENODEV:
            return .nothing
        default: throw TransportError(code: code, operation: "open a file")
        }
    }

    /// Reads a range of bytes. Throws ``Changed`` if the file isn't the same any more, and
    /// ``TransportError`` if it can't be read.
    package func read(_ range: Range<Int>) throws -> [UInt8] {
        var code: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                // Safety: the kernel writes at most as much as the buffer has room for.
                let read = unsafe pread(
                    descriptor, buffer.baseAddress! + count, range.count - count,
                    off_t(range.lowerBound + count))
                if read < 0, errno == EINTR { continue }
                if read < 0 { code = -errno }
                if read <= 0 { break }
                count += read
            }
        }
        if code < 0 { throw TransportError(code: code, operation: "read a file") }
        guard bytes.count == range.count, Self.status(of: descriptor).map(Version.init) == version
        else { throw Changed() }
        return bytes
    }
}

extension TransportError {
    /// Whether the process or the system has too few descriptors or too little memory for now.
    package var isShortage: Bool { [-EMFILE, -ENFILE, -ENOMEM, -EAGAIN].contains(code) }
}

/// Returns whether there is a folder at a path; symbolic links are followed.
package func folderExists(at path: String) -> Bool {
    var status = stat()
    // Safety: the path is copied for the call, and the result is ours.
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
