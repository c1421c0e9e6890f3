import UVTransport
import WebSocketProtocol

/// The additional limits on some connections: rates, the time to authenticate, and the bytes to
/// parse later. It is a separate object, so that other connections pay only one word for it.
final class ConnectionGuards {
    /// The limits of a peer that has not authenticated. Only this connection uses them, so they can
    /// be raised between two frames of one read.
    private(set) var limits: SessionLimits?
    /// The deadline in milliseconds of the loop's clock; `.max` if nothing is awaited.
    private var authenticationDue = UInt64.max
    private var resumesAt = UInt64.max
    private var messages: TokenBucket?
    private var bytes: TokenBucket?
    /// The bytes that were read before reading was paused.
    private(set) var unparsedBytes: [UInt8] = []
    /// A message that takes longer to inflate than one turn.
    var inflation: Inflation?
    /// The bytes of messages that an `async` handler has not taken yet.
    var queuedSize = 0
    /// Whether messages that arrive after our Close frame are delivered.
    var deliversWhileClosing = false

    /// Makes the guards of a connection; returns `nil` if it needs none. An object that lives only
    /// briefly would leave a hole in the heap.
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

    /// The bytes of memory for input that is not parsed or taken yet.
    var heldSize: Int { unparsedBytes.capacity + queuedSize }

    /// Whether the connection needs nothing that the guards hold.
    var isEmpty: Bool { unparsedBytes.isEmpty && inflation == nil && queuedSize == 0 }

    func hold(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe unparsedBytes.append(contentsOf: bytes)
    }

    /// Takes the unparsed bytes; `nil` if there are none.
    func takeUnparsed() -> [UInt8]? {
        defer { unparsedBytes = [] }
        return unparsedBytes.isEmpty ? nil : unparsedBytes
    }

    // MARK: - Rates and authentication

    /// Takes over the rates of other options, with full buckets, and the limits of a peer that has
    /// not authenticated.
    func replaceOptions(_ options: SessionOptions, changesRates: Bool, now: UInt64) {
        limits?.raise(to: options.unauthenticatedLimits)
        guard changesRates else { return }
        messages =
            options.messageRateMax > 0 ? TokenBucket(rate: options.messageRateMax, now: now) : nil
        bytes = options.byteRateMax > 0 ? TokenBucket(rate: options.byteRateMax, now: now) : nil
    }

    var hasRates: Bool { messages != nil || bytes != nil }

    /// The next time at which something is due; `.max` if nothing is.
    var nextDeadline: UInt64 { min(authenticationDue, resumesAt) }

    /// Lifts the limits of a peer that had not authenticated.
    func authenticated(_ options: SessionOptions) {
        limits?.raise(to: options.sessionLimits)
        limits = nil
        authenticationDue = .max
    }

    /// Charges received messages and bytes to the rates. Returns the rate that is exceeded, and the
    /// milliseconds until it no longer is.
    func charge(
        messages messageCount: UInt64, bytes byteCount: UInt64, now: UInt64
    ) -> (limit: SessionLimit, wait: UInt64)? {
        let messageWait = messages?.take(messageCount, now: now) ?? 0
        let byteWait = bytes?.take(byteCount, now: now) ?? 0
        if max(messageWait, byteWait) == 0 { return nil }
        return messageWait >= byteWait ? (.messageRate, messageWait) : (.byteRate, byteWait)
    }

    func pause(until deadline: UInt64) { resumesAt = deadline }

    /// Returns whether the pause for the rates has expired; true once.
    func consumeRatePause(now: UInt64) -> Bool {
        guard now >= resumesAt else { return false }
        resumesAt = .max
        return true
    }

    func isAuthenticationOverdue(now: UInt64) -> Bool { now >= authenticationDue }
}
