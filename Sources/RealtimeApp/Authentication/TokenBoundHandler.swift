import AppInput
import HTTPProtocol
import Logging
import WebSocketServer

extension CloseCode {
    /// 4001: the token of the connection has expired; reconnect with a new one.
    static let tokenExpired: CloseCode = 4001
}

/// A handler in front of another one, which passes the peer's messages on while its token is valid.
///
/// A text message that is a JSON object with the only member `token`, such as `{"token":"…"}`, is
/// meant for this handler and isn't passed on. It is the first message if the peer must still
/// authenticate. Later messages renew the token of the same `sub` before it expires.
final class TokenBoundHandler: ConnectionHandler {
    private let authenticator: CurrentAuthenticator
    private let users: UserConnections
    private let logger: Logger
    private let make: (Identity) -> any ConnectionHandler
    /// The identity; `nil` until the peer's first message.
    private var identity: Identity?
    /// The wrapped handler; `nil` until it has been informed that the connection is open.
    private var handler: (any ConnectionHandler)?
    /// Whether the connection counts for its user.
    private var isCounted = false

    /// Creates a handler for a connection whose first message must contain a token.
    init(
        _ authenticator: CurrentAuthenticator, _ users: UserConnections, _ logger: Logger,
        _ make: @escaping (Identity) -> any ConnectionHandler
    ) {
        self.authenticator = authenticator
        self.users = users
        self.logger = logger
        self.make = make
    }

    /// Creates a handler for a connection with a verified token.
    init(
        _ authenticator: CurrentAuthenticator, _ users: UserConnections, _ logger: Logger,
        _ identity: Identity, _ handler: any ConnectionHandler
    ) {
        self.authenticator = authenticator
        self.users = users
        self.logger = logger
        self.identity = identity
        self.handler = handler
        make = { _ in handler }
    }

    func onOpen(_ connection: Connection) {
        guard let identity else { return }
        guard enter(identity, connection) else { return }
        watch(connection, until: identity.end)
        connection.setUser(identity.subject)
        handler?.onOpen(connection)
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        switch kind == .text ? TokenMessage(payload) : .other {
        case .other: break
        case .token(let token): return take(token, from: connection)
        case .tooLong: return refuse(.tooLong, from: connection)
        }
        guard identity != nil else {
            return connection.close(.unauthorized, reason: "a token is awaited")
        }
        guard isCounted else { return }
        handler?.onMessage(payload, as: kind, from: connection)
    }

    func onDrain(_ connection: Connection) { handler?.onDrain(connection) }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        guard let identity, isCounted else { return }
        users.leave(identity.subject)
        handler?.onClose(connection, code: code, reason: reason)
    }

    /// Counts the connection for its user. Returns false if it is closed because there are too many.
    private func enter(_ identity: Identity, _ connection: Connection) -> Bool {
        isCounted = users.enter(identity.subject)
        if !isCounted { connection.close(.policyViolation, reason: UserConnections.tooMany) }
        return isCounted
    }

    // MARK: - Tokens

    private func take(_ token: ExactString, from connection: Connection) {
        do throws(TokenFault) {
            let new = try authenticator.verify(token)
            if let identity, identity.subject != new.subject {
                throw TokenFault("its sub is not the connection's")
            }
            let isFirst = identity == nil
            identity = new
            watch(connection, until: new.end)
            if isFirst {
                guard enter(new, connection) else { return }
                connection.markAuthenticated()
                connection.setUser(new.subject)
                let handler = make(new)
                self.handler = handler
                handler.onOpen(connection)
            }
        } catch {
            refuse(error, from: connection)
        }
    }

    private func refuse(_ fault: TokenFault, from connection: Connection) {
        logger.debug(
            "token refused",
            metadata: ["reason": "\(fault.reason)", "connection": "\(connection.id)"])
        connection.close(.unauthorized, reason: "invalid token")
    }

    /// The longest time between two looks at the calendar clock, which may be changed.
    private static let lookInterval = 3_600.0

    /// Closes the connection when its token expires.
    private func watch(_ connection: Connection, until end: Double?) {
        guard let end else { return connection.clearDeadline() }
        let left = end - authenticator.now()
        connection.setDeadline(after: .seconds(min(max(left, 0), Self.lookInterval))) {
            [unowned self] connection in
            if authenticator.now() < end {
                watch(connection, until: end)
            } else {
                connection.close(.tokenExpired, reason: "token expired")
            }
        }
    }
}
