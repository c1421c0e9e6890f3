/// Why a WebSocket connection is closed: the number in a Close frame (RFC 6455 §7.4).
///
/// Every 16-bit value can be held, since peers may send any; ``isValidOnWire`` says which ones
/// a Close frame may carry. 1005 and 1006 are made locally and never sent.
public struct CloseCode: RawRepresentable, Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// The number as it stands in a Close frame, in the machine's byte order.
    public var rawValue: UInt16

    /// Any number, also one that no Close frame may carry.
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Any number, also one that no Close frame may carry.
    @inlinable public init(integerLiteral value: UInt16) { self.rawValue = value }

    /// 1000: the purpose of the connection is fulfilled.
    @inlinable public static var normalClosure: CloseCode { 1000 }
    /// 1001: a server goes down, or a browser leaves the page.
    @inlinable public static var goingAway: CloseCode { 1001 }
    /// 1002: the peer broke the protocol.
    @inlinable public static var protocolError: CloseCode { 1002 }
    /// 1003: a kind of message that can't be accepted, such as binary where text is wanted.
    @inlinable public static var unsupportedData: CloseCode { 1003 }
    /// 1005, local only: the Close frame had no code.
    @inlinable public static var noStatusReceived: CloseCode { 1005 }
    /// 1006, local only: the connection ended without a Close frame (abnormal closure).
    @inlinable public static var abnormalClosure: CloseCode { 1006 }
    /// 1007: text that is not UTF-8, or a payload that does not inflate.
    @inlinable public static var invalidPayload: CloseCode { 1007 }
    /// 1008: a policy forbids it and no other code fits.
    @inlinable public static var policyViolation: CloseCode { 1008 }
    /// 1009: a message too big to process.
    @inlinable public static var messageTooBig: CloseCode { 1009 }
    /// 1010, from a client: the server did not agree on an extension it needs.
    @inlinable public static var mandatoryExtension: CloseCode { 1010 }
    /// 1011: an unexpected condition in the server.
    @inlinable public static var internalError: CloseCode { 1011 }
    /// 1012: the server restarts; reconnect after a random delay (IANA registry).
    @inlinable public static var serviceRestart: CloseCode { 1012 }
    /// 1013: the server is overloaded; reconnect later (IANA registry).
    @inlinable public static var tryAgainLater: CloseCode { 1013 }
    /// 1014: a gateway got an invalid response from upstream (IANA registry).
    @inlinable public static var badGateway: CloseCode { 1014 }
    /// 3000: who it is was not proved, or not in time (IANA registry).
    @inlinable public static var unauthorized: CloseCode { 3000 }
    /// 4001, ours: the token that the connection was made with has expired; come with a new one.
    @inlinable public static var tokenExpired: CloseCode { 4001 }
    /// 4008, ours: too slow a consumer of what it is sent; reconnect.
    @inlinable public static var slowConsumer: CloseCode { 4008 }

    /// Whether a Close frame may carry it: 1000…1003, 1007…1014 and 3000…4999 (RFC 6455 §7.4
    /// and the IANA registry); 1004 is reserved, 1005, 1006 and 1015 are local only.
    @inlinable package var isValidOnWire: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// The code that is sent when this one is asked for.
    ///
    /// It is the code itself where a Close frame may carry it. 1005 stays, too: it stands for a
    /// Close frame without a code. For all others, which say that a connection failed (1006, 1015)
    /// or nothing at all, it is 1011: a handler that passes on how another connection ended must
    /// not end the process.
    package var sendable: CloseCode {
        isValidOnWire || self == .noStatusReceived ? self : .internalError
    }
}

extension CloseCode: CustomStringConvertible {
    /// The number, and its name where it has one: `1009 (message too big)`.
    public var description: String {
        guard let name else { return String(rawValue) }
        return "\(rawValue) (\(name))"
    }

    private var name: String? {
        switch self {
        case .normalClosure: "normal closure"
        case .goingAway: "going away"
        case .protocolError: "protocol error"
        case .unsupportedData: "unsupported data"
        case .noStatusReceived: "no status received"
        case .abnormalClosure: "abnormal closure"
        case .invalidPayload: "invalid payload"
        case .policyViolation: "policy violation"
        case .messageTooBig: "message too big"
        case .mandatoryExtension: "mandatory extension"
        case .internalError: "internal error"
        case .serviceRestart: "service restart"
        case .tryAgainLater: "try again later"
        case .badGateway: "bad gateway"
        case .unauthorized: "unauthorized"
        default: nil
        }
    }
}
