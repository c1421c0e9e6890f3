import Dispatch
import Foundation
import Synchronization

/// A writer of lines to a descriptor on a thread of its own, so that a reader that stalls or goes
/// away blocks no other thread.
///
/// Lines that don't fit into its queue are dropped and counted. Lines lost by a failed write count
/// as dropped, too.
final class LineWriter: Sendable {
    private let descriptor: Int32
    private let dropNotice: @Sendable (Int) -> [UInt8]
    private let state: Mutex<LineWriterState>
    /// A semaphore that is signalled once for each batch that begins, and once at the end.
    private let arrived = DispatchSemaphore(value: 0)

    /// Starts the thread, which ends with ``finish(within:)``.
    ///
    /// - Parameters:
    ///   - descriptor: Must stay open as long as the thread runs.
    ///   - queueSizeMax: The maximum bytes in the queue; as many again may be in the batch being
    ///     written.
    ///   - dropNotice: Returns the line that reports the number of dropped lines, written in their
    ///     place.
    init(
        descriptor: Int32, queueSizeMax: Int = 256 << 10,
        dropNotice: @escaping @Sendable (Int) -> [UInt8] = { _ in [] }
    ) {
        self.descriptor = descriptor
        self.dropNotice = dropNotice
        state = Mutex(LineWriterState(queue: LineQueue(sizeMax: queueSizeMax)))
        let thread = Thread { [self] in run() }
        thread.name = "lines-\(descriptor)"
        thread.start()
    }

    /// Queues a line, which ends with a newline, or drops it. Never blocks; any thread.
    func write(_ line: [UInt8]) {
        let wakesWriter = state.withLock { $0.isFinished ? false : $0.queue.add(line) }
        if wakesWriter { arrived.signal() }
    }

    /// Waits until all lines are written, at most for `limit`.
    ///
    /// - Returns: Whether all lines are written.
    @discardableResult
    func flush(within limit: DispatchTimeInterval) -> Bool {
        let written = DispatchSemaphore(value: 0)
        let isIdle = state.withLock { state in
            if !state.queue.isIdle { state.whenIdle.append(written) }
            return state.queue.isIdle
        }
        return isIdle || written.wait(timeout: .now() + limit) == .success
    }

    /// Flushes the queue and lets the thread end. Later lines are dropped.
    @discardableResult
    func finish(within limit: DispatchTimeInterval) -> Bool {
        let isFlushed = flush(within: limit)
        state.withLock { $0.isFinished = true }
        arrived.signal()
        return isFlushed
    }

    // MARK: - On the thread

    private func run() {
        var output = LineOutput(descriptor: descriptor)
        while true {
            arrived.wait()
            let (batch, isFinished) = state.withLock { ($0.queue.takeBatch(), $0.isFinished) }
            output.put(batch, notice: dropNotice)
            let waiting = state.withLock { state in
                state.queue.finishBatch()
                guard state.queue.isIdle else { return [DispatchSemaphore]() }
                defer { state.whenIdle = [] }
                return state.whenIdle
            }
            for semaphore in waiting { semaphore.signal() }
            if isFinished, batch.isEmpty { return }
        }
    }
}

/// The state that a ``LineWriter`` guards. It is not nested, because Swift 6.3 miscompiles that.
struct LineWriterState {
    var queue: LineQueue
    var whenIdle: [DispatchSemaphore] = []
    var isFinished = false
}

/// The output of batches to a descriptor, with the number of lines that failed writes have lost.
private struct LineOutput {
    let descriptor: Int32
    /// The number of lines that could not be written and are yet to be reported.
    private var lostCount = 0
    /// Whether the last line was written only in part.
    private var isInLine = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    mutating func put(_ batch: LineQueue.Batch, notice: (Int) -> [UInt8]) {
        if isInLine || lostCount > 0 {
            let end = isInLine ? [UInt8(ascii: "\n")] : []
            let first = end + (lostCount > 0 ? notice(lostCount) : [])
            guard write(first) == first.count else {
                return lostCount += lines(in: batch.bytes[...]) + batch.droppedCount
            }
            lostCount = 0
        }
        let written = write(batch.bytes)
        if written < batch.bytes.count {
            lostCount = lines(in: batch.bytes[written...]) + batch.droppedCount
        } else if batch.droppedCount > 0 {
            let last = notice(batch.droppedCount)
            if write(last) < last.count { lostCount = batch.droppedCount }
        }
    }

    private func lines(in bytes: ArraySlice<UInt8>) -> Int {
        bytes.count { $0 == UInt8(ascii: "\n") }
    }

    /// Writes as many bytes as possible, and returns their number.
    private mutating func write(_ bytes: [UInt8]) -> Int {
        let written = writeBlocking(bytes, to: descriptor)
        if written > 0 { isInLine = bytes[written - 1] != UInt8(ascii: "\n") }
        return written
    }
}
