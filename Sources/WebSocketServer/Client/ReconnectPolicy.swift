public import HTTPTypes
public import WebSocketProtocol

/// The rules of a ``ReconnectingConnection``: when the next attempt is made, and when none is.
public struct ReconnectPolicy: Sendable {
    /// The delay before the first attempt after a loss; it doubles with each further failure. Each
    /// delay is shortened at random by up to a half. Default 500 ms.
    public var delayMin: Duration = .milliseconds(500)
    /// The longest delay. A connection that lasted that long makes the next delay ``delayMin``
    /// again. A `Retry-After` of the server is respected up to this delay. Default 30 s.
    public var delayMax: Duration = .seconds(30)
    /// The number of failed attempts in a row after which the client gives up; `nil` for no limit.
    /// Default `nil`, `1...`.
    public var attemptsMax: Int?
    /// The close codes after which the client doesn't reconnect: the server is done with this
    /// client, or wouldn't accept it the next time either. Default: 1000, 1002, 1003, 1007 to 1010,
    /// and 3000.
    public var finalCloseCodes: Set<CloseCode> = [
        .normalClosure, .protocolError, .unsupportedData, .invalidPayload, .policyViolation,
        .messageTooBig, .mandatoryExtension, .unauthorized,
    ]
    /// The statuses below 500 with which a server refuses an attempt, but may accept the next one.
    /// After any other status below 500 the client gives up. Default: 408, 425 and 429.
    ///
    /// Add 401 if each attempt has a fresh token.
    public var temporaryStatuses: Set<Int> = [408, 425, 429]

    /// Creates the default policy.
    public init() {}

    /// Returns whether another attempt is made after a failed one. An error of the closure that
    /// prepares attempts is temporary.
    func retries(after error: any Error) -> Bool {
        guard let error = error as? ClientError else { return true }
        switch error.code {
        case .cannotConnect, .timedOut, .handshakeFailed: return true
        case .refused:
            guard let status = error.status else { return true }
            return status >= 500 || temporaryStatuses.contains(status)
        default: return false
        }
    }

    /// Returns whether another attempt is made after a connection has ended.
    func retries(after end: ConnectionEnd) -> Bool { !finalCloseCodes.contains(end.code) }

    /// Returns the delay before the next attempt. It is shortened at random by up to a half, so
    /// that clients don't come back at the same time.
    ///
    /// - Parameters:
    ///   - failures: The number of failures since the last connection that lasted.
    ///   - random: `0...1`.
    ///   - retryAfter: The delay that the server has asked for, at least; ``delayMax`` at most.
    func delay(failures: Int, random: Double, retryAfter: Duration? = nil) -> Duration {
        let most = max(delayMin, delayMax)
        // Doubling by steps: the factor of many failures would overflow.
        var delay = delayMin
        for _ in 0..<max(0, failures) where delay < most { delay *= 2 }
        delay = min(delay, most)
        let shortened = delay * (0.5 + random / 2)
        return max(shortened, min(retryAfter ?? .zero, most))
    }

    /// Returns the delay that a refusal asks for in seconds (RFC 9110 §10.2.3); `nil` if none.
    static func retryAfter(_ error: any Error) -> Duration? {
        guard let fields = (error as? ClientError)?.headerFields,
            let field = fields[HTTPField.Name("Retry-After")!], let seconds = UInt32(field)
        else { return nil }
        return .seconds(Int64(seconds))
    }
}

/// The destination and the header fields of one attempt to connect.
public struct ConnectionAttempt: Sendable {
    /// The number of attempts since the last connection, this one included: 1 at first.
    public internal(set) var number = 1
    /// The URL: see ``WebSocketClient/connect(to:subprotocols:headerFields:adjusting:)``.
    public var url: String
    /// The subprotocols to offer, in order of preference.
    public var subprotocols: [String]
    /// The header fields to send.
    public var headerFields: HTTPFields
}

/// A change of a ``ReconnectingConnection``.
public enum ReconnectEvent: Sendable {
    /// A connection is made. Messages that are sent on it during this call precede all messages
    /// that are sent on the ``ReconnectingConnection``.
    case connected(ClientConnection)
    /// The connection has ended.
    case disconnected(ConnectionEnd)
    /// An attempt has failed, by a ``ClientError`` or the error of `prepare`.
    case failed(any Error)
    /// The next attempt follows after a delay. `attempt` is ``ConnectionAttempt/number``.
    case reconnecting(after: Duration, attempt: Int)
    /// No further attempt follows. This is the last event.
    case ended(ReconnectEnd)
}

/// The reason why a ``ReconnectingConnection`` is over.
public enum ReconnectEnd: Sendable {
    /// The program has closed it.
    case closed
    /// The connection has ended with one of ``ReconnectPolicy/finalCloseCodes``.
    case finalCode(ConnectionEnd)
    /// The last attempt has failed, and ``ReconnectPolicy`` allows no other, or the client was shut
    /// down.
    case failed(any Error)
}

/// The error for a message that can't be sent because a ``ReconnectingConnection`` isn't connected
/// at the moment. The message is not kept: send it again after ``ReconnectEvent/connected(_:)``.
public struct NotConnected: Error, Sendable, CustomStringConvertible {
    /// Whether the connection is over, so that there is no next attempt.
    public let isOver: Bool
    /// The current state for people.
    public let description: String
}
