/// The configuration of tokens, of users, and of the features that require a token.
public struct AuthenticationOptions: Sendable {
    /// The algorithms that sign tokens with the secret (RFC 7518 §3.2).
    public enum SecretAlgorithm: String, CaseIterable, Sendable {
        case hs256 = "HS256"
        case hs384 = "HS384"
        case hs512 = "HS512"

        /// The least size of a secret in bytes: the size of the hash (RFC 7518 §3.2).
        public var secretSizeMin: Int {
            switch self {
            case .hs256: 32
            case .hs384: 48
            case .hs512: 64
            }
        }
    }

    /// The features that can require a token.
    public enum Feature: String, CaseIterable, Sendable {
        case echo, chat, notifications, tasks, publish, channels
    }

    /// The secret that signs and verifies tokens; `nil` means none.
    public var secret: String?
    /// The only algorithm that is accepted with the secret.
    public var algorithm = SecretAlgorithm.hs256
    /// The path of a file with a JWK Set (RFC 7517 §5), or its `http` or `https` URL. Its keys
    /// verify tokens. `nil` means none.
    public var keySetPath: String?
    /// The time after which a set is fetched again from its URL. Default 10 min, `1 s ... 1 d`.
    public var keySetInterval = Duration.seconds(600)
    /// The time after the beginning of a request in which tokens with unknown keys cause no other
    /// one, and at most the time from a failure to the next request. Default 10 s,
    /// `100 ms ... 1 h`.
    public var keySetPause = Duration.seconds(10)
    /// The audience that `aud` must contain, and that new tokens get; `nil` means that tokens must
    /// not have one.
    public var audience: String?
    /// The issuer that `iss` must name, and that new tokens get; `nil` means any issuer.
    public var issuer: String?
    /// The tolerance for wrong clocks. Default 0 s, range `0 s ... 60 s`.
    public var leeway = Duration.zero
    /// Whether a token must have an `exp`. Default true.
    public var requiresExpiry = true
    /// Whether a WebSocket client may authenticate by its first message.
    public var acceptsFirstMessage = false
    /// The same for single routes; it takes precedence.
    public var acceptsFirstMessageOn: [RealtimeApp.Route: Bool] = [:]
    /// Whether a token may be in the query, as `?token=…`. Proxies may log it there.
    public var acceptsQuery = false
    /// The features that require a token, besides `/ws/secure`, which always does.
    public var requiredFor: Set<Feature> = []

    /// The path of the file with names and password hashes; `nil` means that nobody can sign in.
    public var usersPath: String?
    /// The lifetime of new tokens. Default 15 min, range `1 s ... 30 d`.
    public var lifetime = Duration.seconds(900)
    /// The attempts to sign in per minute and address, which is also the size of a burst; `nil`
    /// means no limit.
    public var attemptsPerAddress: Int? = 30
    /// The part of these attempts that may name the same user.
    public var attemptsPerUser: Int? = 10

    /// The key with which programs may publish without a token; `nil` means none.
    public var publishKey: String?
    /// The number of connections with tokens of one user; `nil` means no limit.
    public var connectionsPerUser: Int?

    public init() {}

    /// Whether ``keySetPath`` is a URL.
    var hasRemoteKeys: Bool {
        let text = keySetPath?.lowercased() ?? ""
        return text.hasPrefix("http://") || text.hasPrefix("https://")
    }

    func acceptsFirstMessage(on route: RealtimeApp.Route) -> Bool {
        acceptsFirstMessageOn[route] ?? acceptsFirstMessage
    }

    /// Whether tokens can be verified.
    public var hasKeys: Bool { secret != nil || keySetPath != nil }
}

/// An error in a file or value that the configuration refers to.
public struct AuthenticationFault: Error, Sendable, CustomStringConvertible {
    /// The configuration key that refers to it.
    public let key: String
    public let problem: String

    init(_ key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key): \(problem)" }
}
