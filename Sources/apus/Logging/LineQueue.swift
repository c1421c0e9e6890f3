/// A queue of lines to be written, limited in bytes and in order. Lines that don't fit are counted.
struct LineQueue {
    /// The next lines to write, followed by the number of dropped lines.
    struct Batch {
        var bytes: [UInt8] = []
        var droppedCount = 0

        var isEmpty: Bool { bytes.isEmpty && droppedCount == 0 }
    }

    private let sizeMax: Int
    private var next = Batch()
    private var isWriting = false

    /// - Parameter sizeMax: The maximum bytes in the queue, without a batch that has been taken.
    init(sizeMax: Int) { self.sizeMax = sizeMax }

    /// Whether all lines have been written.
    var isIdle: Bool { next.isEmpty && !isWriting }

    /// Adds a line, or counts it as dropped.
    ///
    /// After a dropped line, all further lines are dropped until the next batch is taken, so that
    /// each batch has one gap, at its end.
    ///
    /// - Returns: Whether the batch was empty before, so that the writer must be woken.
    mutating func add(_ line: [UInt8]) -> Bool {
        let wasEmpty = next.isEmpty
        if next.droppedCount == 0, next.bytes.count + line.count <= sizeMax {
            next.bytes += line
        } else {
            next.droppedCount += 1
        }
        return wasEmpty
    }

    /// Takes all queued lines. ``finishBatch()`` must be called once they are written.
    mutating func takeBatch() -> Batch {
        isWriting = true
        defer { next = Batch() }
        return next
    }

    mutating func finishBatch() { isWriting = false }
}
