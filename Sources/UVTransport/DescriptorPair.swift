import Glibc

/// A pipe that ends a thread's wait for a descriptor.
package final class DescriptorPair: Sendable {
    private let ends: (reading: Int32, writing: Int32)

    package init() throws(TransportError) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw .lastSystemError("make a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        self.ends = (ends[0], ends[1])
    }

    deinit {
        close(ends.reading)
        close(ends.writing)
    }

    /// Ends all waits, later ones too; any thread.
    package func wake() {
        var byte: UInt8 = 0
        unsafe write(ends.writing, &byte, 1)
    }

    /// Waits until a descriptor can be read. Returns false after ``wake()``.
    package func waits(for descriptor: Int32) -> Bool {
        var polled = [
            pollfd(fd: ends.reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while unsafe poll(&polled, 2, -1) < 0, errno == EINTR {}
        return polled[0].revents == 0
    }
}
