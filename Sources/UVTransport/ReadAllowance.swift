/// The most bytes that the next read of any stream of a loop may bring.
///
/// Reads are short once much has been read since the last poll, so that many streams with much to
/// read don't keep the others waiting. Not copyable, so that each read looks at the fields in place.
struct ReadAllowance: ~Copyable {
    /// Bytes that all streams read between two polls before their reads are short.
    private static let polledBytesMax = 4 << 20
    /// Bytes of a short read.
    private static let shortReadSize = 4_096
    /// Bytes of a read that ``note(_:now:)`` is to be told of.
    static let notedSizeMin = 4_096

    /// Bytes of a read otherwise.
    var size = EventLoop.readBufferSize
    /// Bytes read since the poll at `polledAt`, a time of the loop's clock.
    private var polledBytes = 0
    private var polledAt: UInt64 = 0

    /// Notes bytes that a stream has read, ``notedSizeMin`` at least.
    mutating func note(_ count: Int, now: UInt64) {
        if polledAt != now { (polledAt, polledBytes) = (now, 0) }
        polledBytes &+= count
    }

    /// The size of the next read.
    @inline(__always)
    func next(now: UInt64) -> Int {
        polledBytes <= Self.polledBytesMax ? size : nextBehindMuch(now: now)
    }

    // Apart, so that the ordinary read takes one comparison.
    @inline(never)
    private func nextBehindMuch(now: UInt64) -> Int {
        polledAt != now ? size : min(size, Self.shortReadSize)
    }
}
