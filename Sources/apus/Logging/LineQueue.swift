/// Lines that wait to be written: as many bytes as fit, in order; what doesn't fit is counted.
struct LineQueue {
    /// What is to be written next: lines, and behind them the gap of those that were dropped.
    struct Batch {
        var bytes: [UInt8] = []
        var droppedCount = 0

        var isEmpty: Bool { bytes.isEmpty && droppedCount == 0 }
    }

    private let sizeMax: Int
    private var next = Batch()
    private var isWriting = false

    /// - Parameter sizeMax: the bytes that may wait. A batch that has been taken doesn't count.
    init(sizeMax: Int) { self.sizeMax = sizeMax }

    /// Whether all lines have been written.
    var isIdle: Bool { next.isEmpty && !isWriting }

    /// Adds a line, or counts it as dropped.
    ///
    /// After a line that was dropped, all are until the next batch is taken, so that each batch
    /// has one gap, at its end.
    ///
    /// - Returns: whether the batch was empty before, and the writer is to be woken.
    mutating func add(_ line: [UInt8]) -> Bool {
        let wasEmpty = next.isEmpty
        if next.droppedCount == 0, next.bytes.count + line.count <= sizeMax {
            next.bytes += line
        } else {
            next.droppedCount += 1
        }
        return wasEmpty
    }

    /// Takes all that waits; call ``finishBatch()`` once it is written.
    mutating func takeBatch() -> Batch {
        isWriting = true
        defer { next = Batch() }
        return next
    }

    mutating func finishBatch() { isWriting = false }
}
