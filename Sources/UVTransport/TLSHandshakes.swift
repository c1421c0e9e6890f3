import CLibuv

/// The TLS handshakes of one loop: their number and their share of the loop's time are limited. For
/// that loop's thread.
///
/// A handshake is in progress from the client's first byte to its last message. If there are too
/// many, the oldest one is ended: an honest client takes only a few round trips, so that the oldest
/// are those that stall.
public final class TLSHandshakes {
    /// The processor time that handshakes may take of one turn, in nanoseconds. Each takes a
    /// fraction of a millisecond, and many may be ready at once.
    private static let nanosecondsMax: UInt64 = 2_000_000

    /// The numbers of handshakes.
    public struct Counts: Sendable {
        public var completed = 0
        /// Those of the completed ones that continued an earlier session.
        public var resumed = 0
        public var failed = 0
        /// Connections that began with a request in plain text.
        public var plainText = 0
        /// Handshakes that were ended because too many were in progress.
        public var evicted = 0
    }

    /// The most handshakes in progress.
    public var max: Int
    /// The bytes that a client gets in answer to plain text.
    let answerToPlainText: [UInt8]
    private let onFailure: (Stream, String) -> Void
    /// Called with the nanoseconds that a completed handshake took, from the client's first byte to
    /// its last message.
    public var onSuccess: (UInt64) -> Void = { _ in }

    public private(set) var counts = Counts()
    /// The number of handshakes in progress.
    public private(set) var inProgress = 0
    // Safety: a transport leaves the list before it goes.
    private unowned(unsafe) var oldest: TLSTransport?
    private unowned(unsafe) var newest: TLSTransport?
    /// The turn, by the loop's clock, and the time that handshakes have taken of it.
    private var turn: UInt64 = 0
    private var spent: UInt64 = 0

    /// - Parameters:
    ///   - max: The most handshakes in progress.
    ///   - onFailure: Called with the reason of a failed handshake or session.
    public init(
        max: Int, answerToPlainText: [UInt8], onFailure: @escaping (Stream, String) -> Void
    ) {
        self.max = max
        self.answerToPlainText = answerToPlainText
        self.onFailure = onFailure
    }

    // MARK: - Time

    /// Returns whether a step of a handshake may be done in this turn.
    func hasTime(on loop: EventLoop) -> Bool {
        if loop.now != turn {
            turn = loop.now
            spent = 0
        }
        return spent < Self.nanosecondsMax
    }

    /// Runs a step, and measures it.
    func timed<Result>(on loop: EventLoop, _ step: () -> Result) -> Result {
        let began = loop.nanoseconds
        let result = step()
        spent += loop.nanoseconds - began
        return result
    }

    // MARK: - Handshakes in progress

    func begin(_ transport: TLSTransport) {
        inProgress += 1
        unsafe transport.older = unsafe newest
        unsafe newest?.newer = transport
        unsafe newest = transport
        if unsafe oldest == nil { unsafe oldest = transport }
        if inProgress > max, let stalled = unsafe oldest {
            counts.evicted += 1
            stalled.giveUp()
        }
    }

    func end(_ transport: TLSTransport) {
        inProgress -= 1
        if unsafe oldest === transport { unsafe oldest = unsafe transport.newer }
        if unsafe newest === transport { unsafe newest = unsafe transport.older }
        unsafe transport.older?.newer = unsafe transport.newer
        unsafe transport.newer?.older = unsafe transport.older
        unsafe transport.older = nil
        unsafe transport.newer = nil
    }

    /// Counts a handshake that began at `began` by the loop's clock in nanoseconds.
    func succeeded(isResumed: Bool, began: UInt64, on loop: EventLoop) {
        counts.completed += 1
        onSuccess(loop.nanoseconds &- began)
        if isResumed { counts.resumed += 1 }
    }

    func sawPlainText() { counts.plainText += 1 }

    func failed(_ stream: Stream?, _ reason: String) {
        counts.failed += 1
        if let stream { onFailure(stream, reason) }
    }
}
