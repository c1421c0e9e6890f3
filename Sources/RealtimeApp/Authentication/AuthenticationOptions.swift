/// What is configured about tokens, users and who must have proved who they are.
public struct AuthenticationOptions: Sendable {
    /// How tokens are signed with the secret (RFC 7518 §3.2).
    public enum SecretAlgorithm: String, CaseIterable, Sendable {
        case hs256 = "HS256"
        case hs384 = "HS384"
        case hs512 = "HS512"

        /// Bytes: a key is to be as long as the hash (RFC 7518 §3.2).
        public var secretSizeMin: Int {
            switch self {
            case .hs256: 32
            case .hs384: 48
            case .hs512: 64
            }
        }
    }

    /// What can demand a token.
    public enum Feature: String, CaseIterable, Sendable {
        case echo, chat, notifications, tasks, publish, channels
    }

    /// Signs and verifies; `nil`: none.
    public var secret: String?
    /// The only one that is accepted with the secret.
    public var algorithm = SecretAlgorithm.hs256
    /// Path of a file with a JWK Set (RFC 7517 §5), whose keys verify; `nil`: none.
    public var keySetPath: String?
    /// What `aud` must name, and what is put into tokens made here; `nil`: tokens must have none.
    public var audience: String?
    /// What `iss` must be, and is in tokens made here; `nil`: any.
    public var issuer: String?
    /// By how much others' clocks may be wrong. Default 0 s, `0 s ... 60 s`.
    public var leeway = Duration.zero
    /// Whether a token must have an `exp`. Default true.
    public var requiresExpiry = true
    /// Whether a WebSocket client may prove who it is by its first message.
    public var acceptsFirstMessage = false
    /// The same for single routes, in its place.
    public var acceptsFirstMessageOn: [RealtimeApp.Route: Bool] = [:]
    /// Whether a token may stand in the query, as `?token=…`, which proxies may log.
    public var acceptsQuery = false
    /// What demands a token beside `/ws/secure`, which always does.
    public var requiredFor: Set<Feature> = []

    /// Path of the file with names and hashes of passwords; `nil`: no one can sign in.
    public var usersPath: String?
    /// Of tokens made here. Default 15 min, `1 s ... 30 d`.
    public var lifetime = Duration.seconds(900)
    /// Attempts a minute to sign in from one address, and a burst of as many; `nil`: no limit.
    public var attemptsPerAddress: Int? = 30
    /// Of them, those as one user.
    public var attemptsPerUser: Int? = 10

    public init() {}

    func acceptsFirstMessage(on route: RealtimeApp.Route) -> Bool {
        acceptsFirstMessageOn[route] ?? acceptsFirstMessage
    }

    /// Whether tokens can be verified at all.
    public var hasKeys: Bool { secret != nil || keySetPath != nil }
}

/// What is wrong with what the configuration refers to.
public struct AuthenticationFault: Error, Sendable, CustomStringConvertible {
    /// The key that refers to it.
    public let key: String
    public let problem: String

    init(_ key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key): \(problem)" }
}
