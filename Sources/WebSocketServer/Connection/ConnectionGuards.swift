import UVTransport
import WebSocketProtocol

/// What limits some connections further: rates, the time to authenticate, and what they are to wait
/// with. An object of its own, so that the others pay a word.
final class ConnectionGuards {
    /// While the peer has yet to prove who it is: limits that this connection has alone, so that
    /// they can be raised between two frames of one read.
    private(set) var limits: SessionLimits?
    /// Milliseconds of the loop's clock; `.max` when nothing is awaited.
    private var authenticationDue = UInt64.max
    private var resumesAt = UInt64.max
    private var messages: TokenBucket?
    private var bytes: TokenBucket?
    /// What was read and not looked at when the connection was put to rest.
    private(set) var held: [UInt8] = []
    /// A message that takes longer to inflate than one turn.
    var inflation: Inflation?
    /// Whether messages that arrive behind our Close frame are delivered.
    var deliversWhileClosing = false

    /// `nil` when nothing needs guarding; without an object that lives for a moment, whose memory
    /// would be carved up by what stays.
    static func make(for upgraded: Upgraded, now: UInt64) -> ConnectionGuards? {
        guard upgraded.awaitsAuthentication || upgraded.options.hasRates else { return nil }
        return ConnectionGuards(upgraded, now: now)
    }

    /// What only holds bytes.
    init() {}

    private init(_ upgraded: Upgraded, now: UInt64) {
        let options = upgraded.options
        if upgraded.awaitsAuthentication {
            limits = options.unauthenticatedLimits.copy()
            authenticationDue = now + options.authenticationTimeout
        }
        if options.messageRateMax > 0 {
            messages = TokenBucket(rate: options.messageRateMax, now: now)
        }
        if options.byteRateMax > 0 { bytes = TokenBucket(rate: options.byteRateMax, now: now) }
    }

    /// The bytes of messages that an `async` handler has yet to take.
    var queuedSize = 0

    /// The bytes that are held, in all.
    var heldSize: Int { held.capacity + queuedSize }

    var hasRates: Bool { messages != nil || bytes != nil }

    func hold(_ bytes: UnsafeMutableRawBufferPointer) { unsafe held.append(contentsOf: bytes) }

    /// What was held, if anything.
    func takeHeld() -> [UInt8]? {
        defer { held = [] }
        return held.isEmpty ? nil : held
    }

    var nextDeadline: UInt64 { min(authenticationDue, resumesAt) }

    func authenticated(_ options: SessionOptions) {
        limits?.raise(to: options.sessionLimits)
        limits = nil
        authenticationDue = .max
    }

    /// Takes what was received off the rates: which one is exceeded, and the milliseconds to wait
    /// until it is not.
    func charge(
        messages messageCount: UInt64, bytes byteCount: UInt64, now: UInt64
    ) -> (limit: SessionLimit, wait: UInt64)? {
        let messageWait = messages?.take(messageCount, now: now) ?? 0
        let byteWait = bytes?.take(byteCount, now: now) ?? 0
        if max(messageWait, byteWait) == 0 { return nil }
        return messageWait >= byteWait ? (.messageRate, messageWait) : (.byteRate, byteWait)
    }

    func pause(until deadline: UInt64) { resumesAt = deadline }

    /// Whether what passed at `now` is the wait for the rates, else the time to authenticate.
    func takeResumption(now: UInt64) -> Bool {
        guard now >= resumesAt else { return false }
        resumesAt = .max
        return true
    }

    func isAuthenticationOverdue(now: UInt64) -> Bool { now >= authenticationDue }
}

extension ConnectionCore {
    /// Holds the peer to its rates after what a piece has brought.
    func chargeRates(since messages: UInt64, _ bytes: UInt64, read: Int) {
        guard unsafe stage == .open, let guards = unsafe guards, guards.hasRates else { return }
        let counts = unsafe context.messageCounts.pointee
        guard
            let (limit, wait) = guards.charge(
                messages: counts.messagesReceived - messages,
                // What inflates to nothing has its price, too.
                bytes: max(counts.bytesReceived - bytes, UInt64(read)), now: loop.now)
        else { return }
        switch unsafe options.ratePolicy {
        case .close:
            fail(SessionFault(.policyViolation, "over the \(limit.rateName)", limit: limit))
        case .pause:
            context.counters.limits.hit(limit)
            guards.pause(until: loop.now + wait)
            setReadingPaused(true, .rate)
            scheduleHeartbeat(now: loop.now)
        }
    }

    func guardDeadlinePassed(_ guards: ConnectionGuards, now: UInt64) {
        if guards.takeResumption(now: now) { setReadingPaused(false, .rate) }
        if guards.isAuthenticationOverdue(now: now) {
            context.counters.limits.hit(.authenticationTime)
            beginClosing(.unauthorized, "authentication timeout")
        }
    }

    /// The peer has proved who it is: the limits of all others hold from its next frame on.
    func authenticated() {
        guard let guards = unsafe guards, unsafe stage == .open else { return }
        guard holdPlace() else {
            context.counters.refusedByLimit += 1
            return beginClosing(.policyViolation, Self.tooManyConnections)
        }
        guards.authenticated(unsafe options)
        if unsafe !options.hasRates, guards.held.isEmpty { unsafe self.guards = nil }
        scheduleHeartbeat(now: loop.now)
    }
}

extension SessionLimit {
    fileprivate var rateName: String { self == .messageRate ? "message rate" : "byte rate" }
}
