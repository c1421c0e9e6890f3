import RealtimeApp
import WebSocketServer

/// The keys about tokens, users and origins.
extension Schema {
    static let auth: [Key] = [
        Key(
            "auth.jwt.secret", Secret(), \.auth.secret,
            """
            The secret that signs and verifies tokens. HS384 needs at least 48 bytes, HS512 at \
            least 64.
            """, isSecret: true),
        Key(
            "auth.jwt.algorithm",
            Choice(AuthenticationOptions.SecretAlgorithm.allCases.map { ($0.rawValue, $0) }),
            \.auth.algorithm,
            "The algorithm of `auth.jwt.secret`."),
        Key(
            "auth.jwt.jwks", KeySetLocation(), \.auth.keySetPath,
            "The file or the URL with a JWK Set whose keys verify tokens."),
        Key(
            "auth.jwt.jwks_interval", TimeSpan(.seconds(1) ... .seconds(86_400)),
            \.auth.keySetInterval,
            "The time after which the set of a URL is fetched again."),
        Key(
            "auth.jwt.jwks_pause", TimeSpan(.milliseconds(100) ... .seconds(3_600)),
            \.auth.keySetPause,
            """
            A token with an unknown `kid` causes a request for the set only if the last one began \
            at least this long ago. After a failure, the next request comes after this time, or \
            after `auth.jwt.jwks_interval` if that is shorter.
            """),
        Key(
            "auth.jwt.audience", OptionalText.claim("tokens with an aud are refused"),
            \.auth.audience,
            "The audience that tokens must name in `aud`."),
        Key(
            "auth.jwt.issuer", OptionalText.claim("any issuer"), \.auth.issuer,
            "The issuer that tokens must name in `iss`."),
        Key(
            "auth.jwt.leeway", TimeSpan(.zero ... .seconds(60)), \.auth.leeway,
            "The tolerance for clocks that differ: it is added to `exp` and taken off `nbf`."),
        Key(
            "auth.jwt.expiry_required", Choice.flag, \.auth.requiresExpiry,
            "Whether a token must have an `exp`."),
        Key(
            "auth.first_message", Choice.flag, \.auth.acceptsFirstMessage,
            "Whether a WebSocket client may send its token as its first message."),
        Key(
            "auth.query_token", Choice.flag, \.auth.acceptsQuery,
            "Whether the URL may have a token, as `?token=TOKEN`. Proxies may log it."),
        Key(
            "auth.required_for",
            WordSet(AuthenticationOptions.Feature.allCases.map { ($0.rawValue, $0) }),
            \.auth.requiredFor,
            "The features that demand a token. `/ws/secure/{topic}` always does."),
        Key(
            "auth.users", OptionalText.path, \.auth.usersPath,
            "The file with the users of `POST /token`. The command `apus users` writes it."),
        Key(
            "auth.token.lifetime", TimeSpan(.seconds(1) ... .seconds(30 * 86_400)),
            \.auth.lifetime,
            "The lifetime of tokens from `POST /token`."),
        Key(
            "auth.token.rate.per_address", WholeNumber(1...100_000).orZero("off"),
            \.auth.attemptsPerAddress,
            "The attempts to sign in, each minute, from one address or IPv6 /64 network."),
        Key(
            "auth.token.rate.per_user", WholeNumber(1...100_000).orZero("off"),
            \.auth.attemptsPerUser,
            "The attempts to sign in, each minute, as one user from one address."),
        Key(
            "origins.allowed", Origins(), \.server.origins,
            """
            The origins whose pages may use the server from a browser. Pages of listed origins \
            may also read responses (CORS). `null` is the origin of sandboxed frames, which any \
            page can make: to list it is nearly the same as `any`.
            """),
    ]
}
