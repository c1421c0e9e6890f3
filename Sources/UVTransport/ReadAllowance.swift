/// The most bytes that the next read of any stream of a loop may bring.
///
/// Reads are short once much has been read since the last poll, so that many streams with much to
/// read don't keep the others waiting. Not copyable, so that each read looks at the fields in place.
struct ReadAllowance: ~Copyable {
    /// The bytes that all streams may read between two polls before reads become short.
    private static let polledBytesMax = 4 << 20
    /// The bytes of a short read.
    private static let shortReadSize = 4_096
    /// The minimum bytes of a read that must be reported to ``note(_:now:)``.
    static let notedSizeMin = 4_096

    /// The bytes of a normal read.
    var size = EventLoop.readBufferSize
    /// The bytes read since the poll at `polledAt`, a time of the loop's clock.
    private var polledBytes = 0
    private var polledAt: UInt64 = 0

    /// Notes bytes that a stream has read, ``notedSizeMin`` at least.
    mutating func note(_ count: Int, now: UInt64) {
        if polledAt != now { (polledAt, polledBytes) = (now, 0) }
        polledBytes &+= count
    }

    /// Begins anew, for a poll that the clock doesn't tell from the one before.
    mutating func forget() { polledBytes = 0 }

    /// Returns the size of the next read.
    @inline(__always)
    func next(now: UInt64) -> Int {
        polledBytes <= Self.polledBytesMax ? size : nextBehindMuch(now: now)
    }

    // A separate function, so that the ordinary read costs only one comparison.
    @inline(never)
    private func nextBehindMuch(now: UInt64) -> Int {
        polledAt != now ? size : min(size, Self.shortReadSize)
    }
}
