import AppInput
import HTTPProtocol
public import Logging
public import WebSocketServer

/// The authentication of clients: the keys, the users, and the features that require a token.
public struct Authentication: Sendable {
    public typealias Feature = AuthenticationOptions.Feature

    let options: AuthenticationOptions
    /// The verifier of tokens; `nil` if no key is configured.
    let authenticator: Authenticator?
    /// The verifier for open connections, which a reload replaces.
    let current: CurrentAuthenticator
    let users: UserDirectory?
    /// The keys of a URL; `nil` if there is none.
    let remoteKeys: RemoteKeySet?
    let connections: UserConnections
    let signIns: SignInLimits
    let workers: PasswordWorkers
    let logger: Logger
    let refusedSignIns: LogThrottle

    /// Returns the default: no feature requires a token, and none is accepted.
    public static func none(logger: Logger) -> Authentication {
        Authentication(
            AuthenticationOptions(), authenticator: nil, users: nil, remoteKeys: nil,
            replacing: nil,
            logger: logger)
    }

    /// Reads the files that `options` refers to. Throws if one is missing or invalid. Keys of a URL
    /// are fetched later, by ``fetchKeys()``.
    ///
    /// - Parameter previous: The authentication that this one is to replace. Its counts of attempts
    ///   to sign in are kept, unless their limits have changed. It is used until ``begin()``.
    public init(
        _ options: AuthenticationOptions, replacing previous: Authentication? = nil, logger: Logger
    ) async throws(AuthenticationFault) {
        try await self.init(
            options, replacing: previous, logger: logger, now: Authenticator.systemClock)
    }

    init(
        _ options: AuthenticationOptions, replacing previous: Authentication? = nil,
        logger: Logger, now: @escaping Authenticator.Clock
    ) async throws(AuthenticationFault) {
        guard options.hasKeys || options.requiredFor.isEmpty else {
            throw AuthenticationFault(
                "auth.required_for", "needs keys: set auth.jwt.secret or auth.jwt.jwks")
        }
        var remoteKeys: RemoteKeySet?
        if let url = options.keySetPath, options.hasRemoteKeys {
            remoteKeys = try Self.remoteKeys(url, options, previous, logger)
        }
        var authenticator: Authenticator?
        if options.hasKeys {
            authenticator = try await Authenticator(options, remote: remoteKeys, now: now) {
                logger.warning("auth.jwt.jwks: \($0)")
            }
        }
        var users: UserDirectory?
        if let path = options.usersPath {
            users = try UserDirectory(path: path, logger: logger)
        }
        self.init(
            options, authenticator: authenticator, users: users, remoteKeys: remoteKeys,
            replacing: previous, logger: logger)
    }

    private init(
        _ options: AuthenticationOptions, authenticator: Authenticator?, users: UserDirectory?,
        remoteKeys: RemoteKeySet?, replacing previous: Authentication?, logger: Logger
    ) {
        self.options = options
        self.authenticator = authenticator
        self.users = users
        self.remoteKeys = remoteKeys
        self.logger = logger
        refusedSignIns = LogThrottle("sign-in refused", level: .info, logger: logger)
        current = previous?.current ?? CurrentAuthenticator(authenticator)
        workers = previous?.workers ?? PasswordWorkers()
        connections =
            previous?.connections
            ?? UserConnections(max: options.connectionsPerUser, logger: logger)
        let hasSameLimits =
            previous?.options.attemptsPerAddress == options.attemptsPerAddress
            && previous?.options.attemptsPerUser == options.attemptsPerUser
        signIns = hasSameLimits ? previous?.signIns ?? SignInLimits(options) : SignInLimits(options)
    }

    /// Verifies the new tokens of connections that the replaced authentication has admitted.
    public func begin() {
        current.replace(by: authenticator)
        connections.limit(to: options.connectionsPerUser)
    }

    /// Ends the fetching of keys, unless the authentication that replaces this one does it.
    public func end(replacedBy successor: Authentication) {
        if remoteKeys !== successor.remoteKeys { remoteKeys?.stop() }
    }

    /// Fetches the keys of a URL now, and then at intervals. A failure is logged.
    public func fetchKeys() async { await remoteKeys?.start() }

    /// Returns the keys of a URL. Those of `previous` stay in use until they are fetched again.
    private static func remoteKeys(
        _ url: String, _ options: AuthenticationOptions, _ previous: Authentication?,
        _ logger: Logger
    ) throws(AuthenticationFault) -> RemoteKeySet {
        let known = previous?.remoteKeys
        if let known, known.serves(options) { return known }
        let keys = try RemoteKeySet(url, options, logger: logger)
        if let known, known.url == url { keys.begin(with: known.keys) }
        return keys
    }

    /// Returns a new token; `nil` without a secret to sign it.
    public func mint(
        subject: String, lifetime: Duration? = nil, audience: String? = nil
    ) -> String? {
        authenticator?.mint(
            subject: subject, lifetime: lifetime ?? options.lifetime, audience: audience)
    }

    /// Logs warnings about a server that is open to anyone.
    ///
    /// - Parameter addresses: The addresses on which the server listens.
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

    /// Authorizes a plain request of a feature. Throws a 401 if the feature requires a token and
    /// the request has no valid one. Returns the token's identity, or `nil` if the feature requires
    /// none.
    @discardableResult
    func authorize(_ request: Request, for feature: Feature) throws(Problem) -> Identity? {
        guard options.requiredFor.contains(feature) else { return nil }
        let found = TokenSource(
            request.head, query: request.query, acceptsQuery: options.acceptsQuery)
        return try verify(found.token, of: request.remoteAddress)
    }

    /// Authorizes a request to publish: by the key for programs, or by a token if publishing requires
    /// one.
    func authorizePublishing(_ request: Request) throws(Problem) {
        guard let key = options.publishKey else {
            try authorize(request, for: .publish)
            return
        }
        let found = TokenSource(request.head, query: request.query, acceptsQuery: false)
        if let given = found.token, given.isSecret(key) { return }
        guard options.requiredFor.contains(.publish) else {
            throw .unauthorized(hadToken: found.token != nil)
        }
        try authorize(request, for: .publish)
    }

    /// Returns whether plain requests of a feature require a token or key.
    func demandsToken(_ feature: Feature) -> Bool {
        options.requiredFor.contains(feature) || feature == .publish && options.publishKey != nil
    }

    /// Returns whether a WebSocket route requires a token.
    func demandsToken(_ route: RealtimeApp.Route) -> Bool {
        route.feature.map(options.requiredFor.contains) ?? true
    }

    /// Returns the answer of a WebSocket route. If the route's feature requires a token, `handler`
    /// receives the connection only after authentication, and the connection is closed when the
    /// token expires. Otherwise `handler` is used directly. A token of the client isn't verified
    /// then, and its messages with new tokens are dropped.
    ///
    /// - Parameter handler: Creates the handler of a connection with the token's identity, which is
    ///   `nil` if the feature requires no token.
    func admit(
        _ request: UpgradeRequest, on route: RealtimeApp.Route,
        _ handler: @escaping (Identity?) -> any ConnectionHandler
    ) throws(Problem) -> UpgradeDecision {
        guard demandsToken(route) else {
            // Browsers fail a handshake without any of the subprotocols that they offered.
            let source = TokenSource(request, acceptsQuery: options.acceptsQuery)
            let plain = handler(nil)
            let hasToken = source.token != nil || source.subprotocol != nil
            return .accept(
                hasToken ? TokenDroppingHandler(plain) : plain, subprotocol: source.subprotocol)
        }
        return try admitBearer(request, on: route) { handler($0) }
    }

    /// Does the same for a feature that always requires a token.
    func admitBearer(
        _ request: UpgradeRequest, on route: RealtimeApp.Route,
        _ handler: @escaping (Identity) -> any ConnectionHandler
    ) throws(Problem) -> UpgradeDecision {
        let source = TokenSource(request, acceptsQuery: options.acceptsQuery)
        if source.token == nil, options.acceptsFirstMessage(on: route), authenticator != nil {
            return .accept(
                TokenBoundHandler(current, connections, logger, handler),
                subprotocol: source.subprotocol,
                awaitsAuthentication: true)
        }
        let identity = try verify(source.token, of: request.remoteAddress)
        return .accept(
            TokenBoundHandler(current, connections, logger, identity, handler(identity)),
            subprotocol: source.subprotocol)
    }

    private func verify(_ token: ExactString?, of address: String) throws(Problem) -> Identity {
        let authenticator = try required()
        guard let token else { throw .unauthorized(hadToken: false) }
        do {
            return try authenticator.verify(token)
        } catch {
            // The client receives the same answer for every reason, which would help an attacker
            // too.
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
    /// Returns a 401 response. It has an error code only if the request had a token (RFC 6750 §3).
    static func unauthorized(hadToken: Bool) -> Problem {
        Problem(
            .unauthorized, "A valid token is required.",
            headerFields: [
                .wwwAuthenticate: hadToken ? #"Bearer error="invalid_token""# : "Bearer"
            ])
    }
}

extension BoundAddress {
    /// Whether only programs on this machine can connect to the address.
    fileprivate var isLocal: Bool {
        switch self {
        case .ip(let host, _):
            host == "::1" || host.hasPrefix("127.") || host.hasPrefix("::ffff:127.")
        case .unix: true
        }
    }
}
