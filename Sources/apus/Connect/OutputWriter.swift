import Dispatch
import Foundation
import Synchronization

/// A writer to a descriptor on a thread of its own. The caller awaits each write, so a slow reader
/// slows the caller down and blocks no other thread.
final class OutputWriter: Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "apus.output")

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes all bytes.
    ///
    /// - Returns: The error number (`EPIPE` if the reader is gone); `nil` if there was none.
    func write(_ bytes: [UInt8]) async -> Int32? {
        await withCheckedContinuation { continuation in
            queue.async { [descriptor] in
                let count = writeBlocking(bytes, to: descriptor)
                continuation.resume(returning: count == bytes.count ? nil : errno)
            }
        }
    }

    /// Calls `body` once, when the reader of a pipe or socket goes away; never for files.
    func whenReaderVanishes(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread { [descriptor] in
            // Errors are reported even if no event is requested.
            var wanted = pollfd(fd: descriptor, events: 0, revents: 0)
            while poll(&wanted, 1, -1) <= 0 {}
            body()
        }
        thread.name = "output"
        thread.start()
    }
}
