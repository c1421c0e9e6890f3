import Glibc

/// The system's information about the file at a path, with symbolic links followed.
package struct FileStatus {
    /// The properties that stay the same as long as it is the same file, whatever its content.
    package struct Identity: Hashable, Sendable {
        fileprivate let device: dev_t
        fileprivate let number: ino_t
    }

    /// The properties that change with the file or its content.
    package struct Stamp: Hashable, Sendable {
        fileprivate let identity: Identity
        fileprivate let size: off_t
        fileprivate let modified: [Int]
        fileprivate let changed: [Int]
    }

    package let identity: Identity
    package let stamp: Stamp

    /// The stamp, if a later change is bound to change it; `nil` right after a change. File systems
    /// count time in steps, of up to two seconds, and two changes within a step look like one.
    package var settledStamp: Stamp? { stamp.changed[0] + 2 < time(nil) ? stamp : nil }

    /// `nil` when there is no file, or none that we may look at.
    package init?(_ path: String) {
        var status = stat()
        // Safety: the path is copied for the call, and the result is ours.
        guard unsafe stat(path, &status) == 0 else { return nil }
        identity = Identity(device: status.st_dev, number: status.st_ino)
        let (modified, changed) = (status.st_mtim, status.st_ctim)
        stamp = Stamp(
            identity: identity, size: status.st_size,
            modified: [modified.tv_sec, modified.tv_nsec],
            changed: [changed.tv_sec, changed.tv_nsec])
    }
}
