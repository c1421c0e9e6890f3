package import Histogram

/// The counts of a measured load, of one loop or of several together.
package struct LoadTally: Sendable {
    /// The messages that came back, the deliveries of a fan-out, or the connections opened.
    package var messages = 0
    /// The bytes of those messages.
    package var payloadIn = 0
    /// The bytes read and written, without the headers of TCP and IP.
    package var wireIn = 0
    package var wireOut = 0
    package var messagesOut = 0
    package var payloadOut = 0
    /// The messages not answered at the end: those sent in a closed loop, those due in an open
    /// loop, the deliveries of a fan-out, or the handshakes of `connect`.
    package var unanswered = 0
    /// The longest wait of an unanswered message, in nanoseconds. It is among the latencies.
    package var longestWait: UInt64 = 0
    /// The number of messages whose contents were compared with the sent ones.
    package var verified = 0
    package var errors = 0
    package var firstError: String?
    /// The first message whose contents differed from the sent ones.
    package var firstMismatch: String?
    /// The latencies in nanoseconds, to three digits, up to an hour.
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

    /// Resets all counts except the errors.
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
