package import Histogram

/// What was counted while a load was measured: of one loop, or of several together.
package struct LoadTally: Sendable {
    /// Messages that came back, deliveries of a fan-out, or connections that were opened.
    package var messages = 0
    /// Bytes of those messages.
    package var payloadIn = 0
    /// Bytes read and written, TCP's and IP's own aside.
    package var wireIn = 0
    package var wireOut = 0
    package var messagesOut = 0
    package var payloadOut = 0
    /// Messages that were not answered at the end: of a closed loop those sent, of an open loop
    /// those due; deliveries of a fan-out, and handshakes of `connect`.
    package var unanswered = 0
    /// The longest time that one of these had waited, in nanoseconds. It is among the latencies.
    package var longestWait: UInt64 = 0
    /// Messages whose contents were compared with what was sent.
    package var verified = 0
    package var errors = 0
    package var firstError: String?
    /// The first message whose contents were not what was sent.
    package var firstMismatch: String?
    /// Nanoseconds, to three digits, up to an hour.
    package var latency = Histogram<UInt32>(
        lowestDiscernibleValue: 64, highestTrackableValue: latencyMax,
        numberOfSignificantValueDigits: .three)

    private static let latencyMax: UInt64 = 3_600_000_000_000

    package init() {}

    package mutating func add(_ other: LoadTally) {
        messages += other.messages
        payloadIn += other.payloadIn
        wireIn += other.wireIn
        wireOut += other.wireOut
        messagesOut += other.messagesOut
        payloadOut += other.payloadOut
        unanswered += other.unanswered
        longestWait = max(longestWait, other.longestWait)
        verified += other.verified
        errors += other.errors
        firstError = firstError ?? other.firstError
        firstMismatch = firstMismatch ?? other.firstMismatch
        latency.add(other.latency)
    }

    /// Starts anew; errors are kept.
    mutating func reset() {
        var fresh = LoadTally()
        fresh.errors = errors
        fresh.firstError = firstError
        fresh.firstMismatch = firstMismatch
        fresh.verified = verified
        self = fresh
    }

    @inline(__always)
    mutating func record(_ nanoseconds: UInt64, _ count: UInt32 = 1) {
        latency.record(min(nanoseconds, Self.latencyMax), count: count)
    }
}
