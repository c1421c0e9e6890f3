import HTTPProtocol
public import Logging
public import WebSocketServer

/// Who may do what: the keys, the users, and which features demand a token.
public struct Authentication: Sendable {
    public typealias Feature = AuthenticationOptions.Feature

    let options: AuthenticationOptions
    /// `nil` when no key is configured.
    let authenticator: Authenticator?
    let users: UserDirectory?
    let signIns: SignInLimits
    let workers = PasswordWorkers()
    let logger: Logger
    let refusedSignIns: LogThrottle

    /// Nothing demands a token, and none is accepted.
    public static func none(logger: Logger) -> Authentication {
        Authentication(AuthenticationOptions(), authenticator: nil, users: nil, logger: logger)
    }

    /// Reads what `options` refers to; throws when it isn't there or isn't as it must be.
    public init(
        _ options: AuthenticationOptions, logger: Logger
    ) async throws(AuthenticationFault) {
        try await self.init(options, logger: logger, now: Authenticator.systemClock)
    }

    init(
        _ options: AuthenticationOptions, logger: Logger, now: @escaping Authenticator.Clock
    ) async throws(AuthenticationFault) {
        guard options.hasKeys || options.requiredFor.isEmpty else {
            throw AuthenticationFault(
                "auth.required_for", "needs keys: set auth.jwt.secret or auth.jwt.jwks")
        }
        var authenticator: Authenticator?
        if options.hasKeys {
            authenticator = try await Authenticator(options, now: now) {
                logger.warning("auth.jwt.jwks: \($0)")
            }
        }
        var users: UserDirectory?
        if let path = options.usersPath {
            users = try UserDirectory(path: path, logger: logger)
        }
        self.init(options, authenticator: authenticator, users: users, logger: logger)
    }

    private init(
        _ options: AuthenticationOptions, authenticator: Authenticator?, users: UserDirectory?,
        logger: Logger
    ) {
        self.options = options
        self.authenticator = authenticator
        self.users = users
        self.logger = logger
        refusedSignIns = LogThrottle("sign-in refused", level: .info, logger: logger)
        signIns = SignInLimits(options)
    }

    /// A new token; `nil` without a secret to sign it with.
    public func mint(
        subject: String, lifetime: Duration? = nil, audience: String? = nil
    ) -> String? {
        authenticator?.mint(
            subject: subject, lifetime: lifetime ?? options.lifetime, audience: audience)
    }

    /// Says what an operator should know who has configured nothing of this.
    ///
    /// - Parameter addresses: where the server listens.
    public func logStart(_ addresses: [BoundAddress]) {
        if !options.hasKeys {
            logger.notice(
                """
                no keys configured: /ws/secure and /token are refused; set auth.jwt.secret or \
                auth.jwt.jwks
                """)
        }
        if options.requiredFor.isEmpty, !addresses.allSatisfy(\.isLocal) {
            logger.warning(
                """
                listening beyond this machine with no token required: anyone who reaches it may \
                use it; set auth.required_for
                """)
        }
    }

    // MARK: - For routes

    /// What a plain request of a feature begins with: 401 without a good token where the feature
    /// demands one. Returns whom it is of; `nil` where none is demanded.
    @discardableResult
    func authorize(_ request: Request, for feature: Feature) throws(Problem) -> Identity? {
        guard options.requiredFor.contains(feature) else { return nil }
        let found = TokenSource(
            request.head, query: request.query, acceptsQuery: options.acceptsQuery)
        return try verify(found.token, of: request.remoteAddress)
    }

    /// Whether a WebSocket route is for those with a token alone.
    func demandsToken(_ route: RealtimeApp.Route) -> Bool {
        route.feature.map(options.requiredFor.contains) ?? true
    }

    /// What a WebSocket route answers with: `handler` behind a token, where the route's feature
    /// demands one, and the connection is closed when its token is over. Else `handler` as
    /// it is: a token is not looked at, and who came with one has messages with new ones dropped.
    ///
    /// - Parameter handler: makes the handler of a connection, given whom it is of; `nil` where no
    ///   token is demanded.
    func admit(
        _ request: UpgradeRequest, on route: RealtimeApp.Route,
        _ handler: @escaping (Identity?) -> any ConnectionHandler
    ) throws(Problem) -> UpgradeDecision {
        guard demandsToken(route) else {
            // A browser fails a handshake that takes up none of what it offered.
            let source = TokenSource(request, acceptsQuery: options.acceptsQuery)
            let plain = handler(nil)
            let hasToken = source.token != nil || source.subprotocol != nil
            return .accept(
                hasToken ? TokenDroppingHandler(plain) : plain, subprotocol: source.subprotocol)
        }
        return try admitBearer(request, on: route) { handler($0) }
    }

    /// The same where a token is demanded whatever is configured.
    func admitBearer(
        _ request: UpgradeRequest, on route: RealtimeApp.Route,
        _ handler: @escaping (Identity) -> any ConnectionHandler
    ) throws(Problem) -> UpgradeDecision {
        let source = TokenSource(request, acceptsQuery: options.acceptsQuery)
        if source.token == nil, options.acceptsFirstMessage(on: route), let authenticator {
            return .accept(
                TokenBoundHandler(authenticator, logger, handler), subprotocol: source.subprotocol,
                awaitsAuthentication: true)
        }
        let identity = try verify(source.token, of: request.remoteAddress)
        return .accept(
            TokenBoundHandler(try required(), logger, identity, handler(identity)),
            subprotocol: source.subprotocol)
    }

    private func verify(_ token: ExactString?, of address: String) throws(Problem) -> Identity {
        let authenticator = try required()
        guard let token else { throw .unauthorized(hadToken: false) }
        do {
            return try authenticator.verify(token)
        } catch {
            // The client hears the same whatever it is: what would help it helps others, too.
            logger.debug(
                "token refused", metadata: ["reason": "\(error.reason)", "peer": "\(address)"])
            throw .unauthorized(hadToken: true)
        }
    }

    private func required() throws(Problem) -> Authenticator {
        guard let authenticator else {
            throw Problem(
                .serviceUnavailable, "no keys configured: set auth.jwt.secret or auth.jwt.jwks")
        }
        return authenticator
    }
}

extension Problem {
    /// RFC 6750 §3: an error code only for who tried.
    static func unauthorized(hadToken: Bool) -> Problem {
        Problem(
            .unauthorized, "A valid token is needed.",
            headerFields: [
                .wwwAuthenticate: hadToken ? #"Bearer error="invalid_token""# : "Bearer"
            ])
    }
}

extension BoundAddress {
    /// Whether only this machine's own programs get there.
    fileprivate var isLocal: Bool {
        switch self {
        case .ip(let host, _):
            host == "::1" || host.hasPrefix("127.") || host.hasPrefix("::ffff:127.")
        case .unix: true
        }
    }
}
