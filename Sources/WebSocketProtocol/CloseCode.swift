/// A close code: the number in a Close frame that says why a connection is closed (RFC 6455 §7.4).
///
/// It can hold any 16-bit value, because peers may send any. `isValidOnWire` tells which ones a
/// Close frame may carry. 1005 and 1006 are only reported locally and never sent.
public struct CloseCode: RawRepresentable, Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// The number, in the machine's byte order.
    public var rawValue: UInt16

    /// Any number, also one that no Close frame may carry.
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Any number, also one that no Close frame may carry.
    @inlinable public init(integerLiteral value: UInt16) { self.rawValue = value }

    /// 1000: normal closure; the connection has fulfilled its purpose.
    @inlinable public static var normalClosure: CloseCode { 1000 }
    /// 1001: going away; a server shuts down, or a browser leaves the page.
    @inlinable public static var goingAway: CloseCode { 1001 }
    /// 1002: the peer violated the protocol.
    @inlinable public static var protocolError: CloseCode { 1002 }
    /// 1003: unsupported data, such as a binary message where text is expected.
    @inlinable public static var unsupportedData: CloseCode { 1003 }
    /// 1005: no code in the peer's Close frame; only reported locally.
    @inlinable public static var noStatusReceived: CloseCode { 1005 }
    /// 1006: the connection ended without a Close frame; only reported locally.
    @inlinable public static var abnormalClosure: CloseCode { 1006 }
    /// 1007: invalid payload; text that isn't UTF-8, or a message that can't be decompressed.
    @inlinable public static var invalidPayload: CloseCode { 1007 }
    /// 1008: policy violation, if no other code fits.
    @inlinable public static var policyViolation: CloseCode { 1008 }
    /// 1009: the message is too big.
    @inlinable public static var messageTooBig: CloseCode { 1009 }
    /// 1010: the server didn't negotiate a required extension; sent by clients.
    @inlinable public static var mandatoryExtension: CloseCode { 1010 }
    /// 1011: internal error; an unexpected condition in the server.
    @inlinable public static var internalError: CloseCode { 1011 }
    /// 1012: service restart; clients should reconnect after a random delay (IANA registry).
    @inlinable public static var serviceRestart: CloseCode { 1012 }
    /// 1013: try again later; the server is overloaded (IANA registry).
    @inlinable public static var tryAgainLater: CloseCode { 1013 }
    /// 1014: bad gateway; a gateway received an invalid response (IANA registry).
    @inlinable public static var badGateway: CloseCode { 1014 }
    /// 3000: unauthorized; the peer didn't authenticate, or not in time (IANA registry).
    @inlinable public static var unauthorized: CloseCode { 3000 }
    /// 4008: the client is a slow consumer; it may reconnect. A code of Apus.
    @inlinable public static var slowConsumer: CloseCode { 4008 }

    /// Whether a Close frame may carry this code: 1000…1003, 1007…1014 and 3000…4999 (RFC 6455 §7.4
    /// and the IANA registry). 1004 is reserved; 1005, 1006 and 1015 are only reported locally.
    @inlinable package var isValidOnWire: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// The code that is sent in place of this one.
    ///
    /// It is this code if a Close frame may carry it, and also for 1005, which stands for a Close
    /// frame without a code. All others become 1011, so that a handler may pass on the code of
    /// another connection, such as 1006, without checking it.
    package var sendable: CloseCode {
        isValidOnWire || self == .noStatusReceived ? self : .internalError
    }
}

extension CloseCode: CustomStringConvertible {
    /// The number, followed by its name if it has one: `1009 (message too big)`.
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
