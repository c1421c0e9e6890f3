import UVTransport
import WebSocketProtocol

/// What limits some connections further: rates, the time to authenticate, and the bytes that they
/// are to parse later. An object of its own, so that the other connections pay a word for it.
final class ConnectionGuards {
    /// The limits of a peer that has yet to prove who it is. This connection has them alone, so
    /// that they can be raised between two frames of one read.
    private(set) var limits: SessionLimits?
    /// Milliseconds of the loop's clock; `.max` when nothing is awaited.
    private var authenticationDue = UInt64.max
    private var resumesAt = UInt64.max
    private var messages: TokenBucket?
    private var bytes: TokenBucket?
    /// Bytes that were read before reading was paused.
    private(set) var unparsedBytes: [UInt8] = []
    /// A message that takes longer to inflate than one turn.
    var inflation: Inflation?
    /// The bytes of messages that an `async` handler has yet to take.
    var queuedSize = 0
    /// Whether messages that arrive after our Close frame are delivered.
    var deliversWhileClosing = false

    /// Makes the guards of a connection, or returns `nil` when it needs none: an object that lives
    /// for a moment only would leave a hole in the heap.
    static func make(for upgraded: Upgraded, now: UInt64) -> ConnectionGuards? {
        guard upgraded.awaitsAuthentication || upgraded.options.hasRates else { return nil }
        return ConnectionGuards(
            upgraded.options, awaitsAuthentication: upgraded.awaitsAuthentication, now: now)
    }

    /// Makes guards that limit nothing and only hold bytes.
    init() {}

    init(_ options: SessionOptions, awaitsAuthentication: Bool, now: UInt64) {
        if awaitsAuthentication {
            limits = options.unauthenticatedLimits.copy()
            authenticationDue = now + options.authenticationTimeout
        }
        if options.messageRateMax > 0 {
            messages = TokenBucket(rate: options.messageRateMax, now: now)
        }
        if options.byteRateMax > 0 { bytes = TokenBucket(rate: options.byteRateMax, now: now) }
    }

    // MARK: - Held bytes

    /// The bytes of memory that hold what has yet to be parsed or taken.
    var heldSize: Int { unparsedBytes.capacity + queuedSize }

    func hold(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe unparsedBytes.append(contentsOf: bytes)
    }

    /// Takes the unparsed bytes; `nil` if there are none.
    func takeUnparsed() -> [UInt8]? {
        defer { unparsedBytes = [] }
        return unparsedBytes.isEmpty ? nil : unparsedBytes
    }

    // MARK: - Rates and authentication

    var hasRates: Bool { messages != nil || bytes != nil }

    /// The next time at which something is due; `.max` if nothing is.
    var nextDeadline: UInt64 { min(authenticationDue, resumesAt) }

    /// Lifts the limits of a peer that has yet to prove who it is.
    func authenticated(_ options: SessionOptions) {
        limits?.raise(to: options.sessionLimits)
        limits = nil
        authenticationDue = .max
    }

    /// Takes what was received off the rates. Returns the rate that is exceeded, and the
    /// milliseconds to wait until it isn't.
    func charge(
        messages messageCount: UInt64, bytes byteCount: UInt64, now: UInt64
    ) -> (limit: SessionLimit, wait: UInt64)? {
        let messageWait = messages?.take(messageCount, now: now) ?? 0
        let byteWait = bytes?.take(byteCount, now: now) ?? 0
        if max(messageWait, byteWait) == 0 { return nil }
        return messageWait >= byteWait ? (.messageRate, messageWait) : (.byteRate, byteWait)
    }

    func pause(until deadline: UInt64) { resumesAt = deadline }

    /// Whether the pause for the rates has expired; true once.
    func consumeRatePause(now: UInt64) -> Bool {
        guard now >= resumesAt else { return false }
        resumesAt = .max
        return true
    }

    func isAuthenticationOverdue(now: UInt64) -> Bool { now >= authenticationDue }
}
