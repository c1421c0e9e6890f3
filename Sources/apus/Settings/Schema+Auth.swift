import RealtimeApp
import WebSocketServer

/// The keys about tokens, users and origins.
extension Schema {
    static let auth: [Key] = [
        Key(
            "auth.jwt.secret", Secret(), \.auth.secret,
            "Signs tokens; HS384 needs 48, HS512 64 bytes", isSecret: true),
        Key(
            "auth.jwt.algorithm",
            Choice(AuthenticationOptions.SecretAlgorithm.allCases.map { ($0.rawValue, $0) }),
            \.auth.algorithm,
            "How the secret signs"),
        Key(
            "auth.jwt.jwks", OptionalText.path, \.auth.keySetPath,
            "File with a JWK Set whose keys verify tokens"),
        Key(
            "auth.jwt.audience", OptionalText.claim("no token may have one"), \.auth.audience,
            "What aud must name"),
        Key(
            "auth.jwt.issuer", OptionalText.claim("any"), \.auth.issuer,
            "What iss must be"),
        Key(
            "auth.jwt.leeway", TimeSpan(.zero ... .seconds(60)), \.auth.leeway,
            "By how much others' clocks may be wrong"),
        Key(
            "auth.jwt.expiry_required", Choice.flag, \.auth.requiresExpiry,
            "Whether a token must have an exp"),
        Key(
            "auth.first_message", Choice.flag, \.auth.acceptsFirstMessage,
            "A WebSocket client may send its token as first message"),
        Key(
            "auth.query_token", Choice.flag, \.auth.acceptsQuery,
            "A token may stand in the URL, as ?token=…"),
        Key(
            "auth.required_for",
            WordSet(AuthenticationOptions.Feature.allCases.map { ($0.rawValue, $0) }),
            \.auth.requiredFor,
            "Demands a token"),
        Key(
            "auth.users", OptionalText.path, \.auth.usersPath,
            "File with users for POST /token"),
        Key(
            "auth.token.lifetime", TimeSpan(.seconds(1) ... .seconds(30 * 86_400)),
            \.auth.lifetime,
            "How long a token of POST /token is good"),
        Key(
            "auth.token.rate.per_address", WholeNumber(1...100_000).orZero("off"),
            \.auth.attemptsPerAddress,
            "Sign-ins a minute from one address"),
        Key(
            "auth.token.rate.per_user", WholeNumber(1...100_000).orZero("off"),
            \.auth.attemptsPerUser,
            "Sign-ins a minute as one user from one address"),
        Key(
            "origins.allowed", Origins(), \.server.origins,
            "Pages let in",
            notes: [
                "Pages of the listed origins may also read responses (CORS). Apps' origins are",
                "listed as they are sent: app://a, file://. null is the origin of sandboxed",
                "frames, and of some apps: any page on the web can make such a frame, so that",
                "listing null is nearly as open as any.",
            ]),
    ]
}
