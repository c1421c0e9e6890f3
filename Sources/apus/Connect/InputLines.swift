import Dispatch
import Foundation

/// The lines of a descriptor. A thread of its own reads them, no faster than they are taken.
final class InputLines: Sendable {
    /// A line without its newline.
    typealias Line = [UInt8]

    /// The reason why there are no further lines.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The largest line in bytes.
    static let sizeMax = 64 << 20
    /// The maximum number of lines that are read ahead.
    private static let aheadMax = 16

    let lines: AsyncThrowingStream<Line, any Error>
    private let room = DispatchSemaphore(value: 0)

    init(descriptor: Int32) {
        let (lines, continuation) = AsyncThrowingStream<Line, any Error>.makeStream()
        self.lines = lines
        // The semaphore is signalled, not created with this value: libdispatch requires a semaphore
        // to be back at its initial value when it is released.
        for _ in 0..<Self.aheadMax { room.signal() }
        let thread = Thread { [room] in
            Self.read(descriptor) {
                // The reader waits here for a slow sender.
                room.wait()
                continuation.yield($0)
            } end: {
                continuation.finish(throwing: $0)
            }
        }
        thread.name = "input"
        thread.start()
    }

    /// Reports that a line was taken, which makes room for another one.
    func taken() { room.signal() }

    private static func read(
        _ descriptor: Int32, line: (Line) -> Void, end: (Failure?) -> Void
    ) {
        let newline = UInt8(ascii: "\n")
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var rest: [UInt8] = []
        while true {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                // Another process that shares the stream has made it non-blocking.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                poll(&wanted, 1, -1)
                continue
            }
            guard count >= 0 else {
                let reason = String(cString: strerror(errno))
                return end(Failure(description: "standard input can't be read: \(reason)"))
            }
            if count == 0 {
                if !rest.isEmpty { line(rest) }
                return end(nil)
            }
            var unread = buffer[..<count]
            while let index = unread.firstIndex(of: newline) {
                line(rest + unread[..<index])
                rest = []
                unread = unread[(index + 1)...]
            }
            rest += unread
            guard rest.count <= sizeMax else {
                return end(
                    Failure(
                        description: "a line of standard input is longer than "
                            + "\(sizeMax >> 20) MiB"))
            }
        }
    }
}
