import UVTransport

/// One direction of a connection in memory: bytes in order, up to a capacity, as between two
/// kernels.
///
/// For the thread of the server's loop.
final class WireLane {
    /// The state of the writer's side.
    private enum End { case none, finished, reset }

    private var bytes: [UInt8] = []
    /// The number of bytes at the start that have been read.
    private var readCount = 0
    private let capacity: Int
    private var end = End.none
    private var pieces: PieceSizes
    /// The reader's program doesn't read; its kernel still takes bytes.
    var isStalled = false { didSet { if !isStalled { onReadable() } } }
    /// Bytes no longer reach the reader, and nobody notices.
    var isLost = false
    private var lostCount = 0
    /// The reader has closed its side.
    private(set) var isAbandoned = false
    /// The number of bytes that were written so far.
    private var writtenCount = 0
    /// Called when there is something to read, and when there is room.
    var onReadable: () -> Void = {}
    var onWritable: () -> Void = {}
    /// Called with all bytes that are read, and that are written; for a transcript.
    var onRead: (([UInt8]) -> Void)?
    var onWrite: (([UInt8]) -> Void)?

    init(capacity: Int, pieces: PieceSizes) {
        self.capacity = capacity
        self.pieces = pieces
    }

    var count: Int { bytes.count - readCount }

    // MARK: - Writing

    var hasRoom: Bool { count < capacity || isAbandoned || end != .none }

    /// The number of bytes that haven't reached the reader's kernel, and of those that have.
    var unacknowledged: Int { lostCount }
    var acknowledged: Int { writtenCount - lostCount }

    /// Takes as many bytes as there is room for, or fewer. Returns `nil` if nothing more may be
    /// written.
    func write(_ new: UnsafeRawBufferPointer) -> Int? {
        guard end == .none else { return nil }
        // The answer to bytes for a closed socket is a reset, which the caller passes on.
        if isAbandoned { return new.count }
        let room = min(capacity - count, new.count)
        guard room > 0 else { return 0 }
        let taken = pieces.next(upTo: room)
        unsafe bytes.append(contentsOf: new.prefix(taken))
        onWrite?([UInt8](bytes.suffix(taken)))
        writtenCount += taken
        if isLost { lostCount += taken }
        onReadable()
        return taken
    }

    /// Sends the end of the stream behind the bytes.
    func finish() {
        guard end == .none else { return }
        end = .finished
        onReadable()
    }

    /// Sends a reset: the reader finds an error behind the bytes that it has.
    func reset() {
        end = .reset
        onReadable()
        onWritable()
    }

    // MARK: - Reading

    /// The outcome of a read.
    enum Outcome { case bytes(Int), nothing, end, reset }

    var isReadable: Bool { !isStalled && !isLost && (count > 0 || end != .none) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        guard isReadable else { return .nothing }
        guard count > 0 else { return end == .reset ? .reset : .end }
        let taken = pieces.next(upTo: min(count, buffer.count))
        let piece = bytes[readCount..<readCount + taken]
        unsafe buffer.copyBytes(from: piece)
        onRead?(Array(piece))
        readCount += taken
        if readCount == bytes.count || readCount > 1 << 20 {
            bytes.removeFirst(readCount)
            readCount = 0
        }
        onWritable()
        return .bytes(taken)
    }

    /// Discards all bytes, since the reader is gone. Returns whether there were any.
    func abandon() -> Bool {
        let hadBytes = count > 0
        isAbandoned = true
        bytes = []
        readCount = 0
        onReadable = {}
        onWritable()
        return hadBytes
    }
}

/// The sizes of the pieces in which bytes are read and written.
struct PieceSizes {
    /// The most bytes of a piece.
    var max = Int.max
    /// The source of random sizes; `nil` makes pieces as large as possible.
    var generator: SplitMix?

    mutating func next(upTo count: Int) -> Int {
        let most = min(max, count)
        guard most > 1, generator != nil else { return most }
        // Half of the pieces are whole, and many of the others are of a few bytes, so that headers
        // are cut as often as payloads.
        switch Int.random(in: 0..<4, using: &generator!) {
        case 0, 1: return most
        case 2: return Int.random(in: 1...min(most, 8), using: &generator!)
        default: return Int.random(in: 1...most, using: &generator!)
        }
    }
}
