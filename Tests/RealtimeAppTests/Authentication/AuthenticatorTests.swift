import Foundation
import HTTPProtocol
import JWTKit
import Testing

@testable import AppInput
@testable import RealtimeApp

@Suite("Tokens")
struct AuthenticatorTests {
    static let now = 1_700_000_000.0
    private static let secret = String(repeating: "s", count: 64)

    private static func options(
        _ change: (inout AuthenticationOptions) -> Void = { _ in }
    ) -> AuthenticationOptions {
        var options = AuthenticationOptions()
        options.secret = secret
        change(&options)
        return options
    }

    private static func authenticator(
        _ change: (inout AuthenticationOptions) -> Void = { _ in }
    ) async throws -> Authenticator {
        try await Authenticator(options(change), now: { now })
    }

    /// Returns a token with any header and claims, signed with the secret by HS256.
    private static func token(
        header: String = #"{"alg":"HS256"}"#, claims: String
    ) async throws -> String {
        let key = await KeySet.secretKey(Array(secret.utf8), .hs256)
        let signed = [header, claims].map { Base64URL.encode(Array($0.utf8)) }
            .joined(separator: ".")
        return "\(signed).\(Base64URL.encode(try key.algorithm.sign(Array(signed.utf8))))"
    }

    /// Returns the reason why a token is refused, or `nil` if it is accepted.
    private static func refusal(
        _ token: String, _ change: (inout AuthenticationOptions) -> Void = { _ in }
    ) async throws -> String? {
        do {
            _ = try await authenticator(change).verify(ExactString(token))
            return nil
        } catch let fault as TokenFault {
            return fault.reason
        }
    }

    private static func refusal(
        claims: String, _ change: (inout AuthenticationOptions) -> Void = { _ in }
    ) async throws -> String? {
        try await refusal(try await token(claims: claims), change)
    }

    @Test("A new token is accepted, with its subject and lifetime")
    func minted() async throws {
        for algorithm in AuthenticationOptions.SecretAlgorithm.allCases {
            let authenticator = try await Self.authenticator {
                $0.algorithm = algorithm
                $0.issuer = "https://issuer.example"
                $0.audience = "apus"
                $0.leeway = .seconds(5)
            }
            let token = try #require(
                authenticator.mint(subject: "ada/ä\"", lifetime: .milliseconds(1_500)))
            let identity = try authenticator.verify(ExactString(token))
            #expect(identity.subject == "ada/ä\"")
            #expect(identity.end == Self.now + 2 + 5)
        }
    }

    @Test("exp is the first second that is too late; the leeway moves it")
    func expiry() async throws {
        for (exp, leeway, reason) in [
            (1, 0, nil), (0, 0, "expired"), (-4, 5, nil), (-5, 5, "expired"), (-1, 0, "expired"),
        ] as [(Double, Int, String?)] {
            let claims = #"{"sub":"ada","exp":\#(Self.now + exp)}"#
            #expect(
                try await Self.refusal(claims: claims) { $0.leeway = .seconds(leeway) } == reason,
                "exp \(exp), leeway \(leeway)")
        }
    }

    @Test("nbf is the first second that is not too early; the leeway moves it")
    func notBefore() async throws {
        for (nbf, leeway, reason) in [
            (0, 0, nil), (1, 0, "not valid yet"), (5, 5, nil), (6, 5, "not valid yet"),
        ] as [(Double, Int, String?)] {
            let claims = #"{"sub":"ada","exp":9e9,"nbf":\#(Self.now + nbf)}"#
            #expect(
                try await Self.refusal(claims: claims) { $0.leeway = .seconds(leeway) } == reason,
                "nbf \(nbf), leeway \(leeway)")
        }
    }

    @Test(
        "Missing claims, and claims of another type, are refused",
        arguments: [
            (#"{"exp":9e9}"#, "its claims are invalid"),
            (#"{"sub":"","exp":9e9}"#, "its sub is empty"),
            (#"{"sub":7,"exp":9e9}"#, "its claims are invalid"),
            (#"{"sub":null,"exp":9e9}"#, "its claims are invalid"),
            (#"{"sub":"ada"}"#, "without exp"),
            (#"{"sub":"ada","exp":null}"#, "without exp"),
            (#"{"sub":"ada","exp":"9e9"}"#, "its claims are invalid"),
            (#"{"sub":"ada","exp":1e999}"#, "its claims are invalid"),
            (#"{"sub":"ada","exp":-1e300}"#, "expired"),
            (#"{"sub":"ada","exp":9e9,"nbf":"0"}"#, "its claims are invalid"),
            (#"{"sub":"ada","exp":9e9,"aud":7}"#, "its claims are invalid"),
            (#"["sub","ada"]"#, "its claims are invalid"),
            ("{", "its claims are invalid"),
            ("", "its claims are invalid"),
            (String(repeating: "[", count: 4_000), "its claims are invalid"),
        ])
    func claimTypes(_ claims: String, _ reason: String) async throws {
        #expect(try await Self.refusal(claims: claims) == reason)
    }

    @Test("A token without exp doesn't expire, if exp isn't required")
    func endless() async throws {
        let token = try await Self.token(claims: #"{"sub":"ada"}"#)
        let authenticator = try await Self.authenticator { $0.requiresExpiry = false }
        #expect(try authenticator.verify(ExactString(token)) == Identity(subject: "ada", end: nil))
    }

    @Test("aud and iss must be the configured ones")
    func audienceAndIssuer() async throws {
        for (members, audience, issuer, reason) in [
            ("", nil, nil, nil),
            (#","iss":"a""#, nil, nil, nil),
            (#","iss":"a""#, nil, "a", nil),
            (#","iss":"b""#, nil, "a", "of another issuer"),
            ("", nil, "a", "of another issuer"),
            (#","aud":"a""#, "a", nil, nil),
            (#","aud":["b","a"]"#, "a", nil, nil),
            (#","aud":["b"]"#, "a", nil, "for another audience"),
            (#","aud":[]"#, "a", nil, "for another audience"),
            (#","aud":"A""#, "a", nil, "for another audience"),
            // Equal as Swift strings, by canonical equivalence.
            (#","aud":"e\u0301""#, "\u{E9}", nil, "for another audience"),
            (#","iss":"e\u0301""#, nil, "\u{E9}", "of another issuer"),
            (#","iss":"\u00E9""#, nil, "\u{E9}", nil),
            ("", "a", nil, "without aud"),
            // RFC 7519 §4.1.3: a server that isn't named must not accept the token.
            (#","aud":"a""#, nil, nil, "for another audience"),
        ] as [(String, String?, String?, String?)] {
            let claims = #"{"sub":"ada","exp":9e9\#(members)}"#
            let refusal = try await Self.refusal(claims: claims) {
                $0.audience = audience
                $0.issuer = issuer
            }
            #expect(refusal == reason, "\(members)")
        }
    }

    @Test(
        "A header that requests another verification is refused",
        arguments: [
            (#"{"alg":"none"}"#, "no key has its kid and alg"),
            (#"{"alg":"None"}"#, "no key has its kid and alg"),
            (#"{"alg":"HS512"}"#, "no key has its kid and alg"),
            (#"{"alg":"RS256"}"#, "no key has its kid and alg"),
            (#"{"alg":"HS512","kid":"other"}"#, "no key has its kid and alg"),
            (#"{"alg":"HS256","crit":null}"#, "its header has crit, which is unknown"),
            (
                #"{"alg":"HS256","crit":["b64"],"b64":false}"#,
                "its header has crit, which is unknown"
            ),
            (#"{"alg":"HS256","kid":7}"#, "its header is invalid"),
            (#"{}"#, "its header is invalid"),
            (#"{"alg":["HS256"]}"#, "its header is invalid"),
        ])
    func headers(_ header: String, _ reason: String) async throws {
        let token = try await Self.token(header: header, claims: #"{"sub":"ada","exp":9e9}"#)
        #expect(try await Self.refusal(token) == reason)
    }

    @Test(
        "With the secret as the only key, a kid doesn't matter",
        arguments: ["other", "", "\\u00e9"])
    func hint(kid: String) async throws {
        let header = #"{"alg":"HS256","kid":"\#(kid)"}"#
        let token = try await Self.token(header: header, claims: #"{"sub":"ada","exp":9e9}"#)
        #expect(try await Self.refusal(token) == nil)
        let foreign = try await Self.refusal(token) {
            $0.secret = String(repeating: "t", count: 64)
        }
        #expect(foreign == "its signature is invalid")
    }

    @Test("A missing or truncated signature, or one of another token or secret, is refused")
    func signatures() async throws {
        let claims = #"{"sub":"ada","exp":9e9}"#
        let token = try await Self.token(claims: claims)
        #expect(try await Self.refusal(token) == nil)
        let parts = token.split(separator: ".").map(String.init)
        let foreign = try await Self.token(claims: #"{"sub":"eve","exp":9e9}"#)
            .split(separator: ".")
        for wrong in ["", String(parts[2].dropLast(4)), parts[2] + "AAAA", String(foreign[2])] {
            #expect(
                try await Self.refusal("\(parts[0]).\(parts[1]).\(wrong)")
                    == "its signature is invalid")
        }
        #expect(
            try await Self.refusal(token) { $0.secret = String(repeating: "t", count: 64) }
                == "its signature is invalid")
    }

    @Test(
        "A text that isn't a token is refused by its form",
        arguments: [
            ("", "it does not have three parts"), ("a.b", "it does not have three parts"),
            ("a.b.c.d", "it does not have three parts"), ("..", "its header is invalid"),
            ("e30=.e30.e30", "not Base64url"), ("e3 0.e30.e30", "not Base64url"),
            ("e30.e3+0.e30", "not Base64url"), ("e30.e.e30", "not Base64url"),
            ("ä.ä.ä", "not Base64url"),
        ])
    func forms(_ token: String, _ reason: String) async throws {
        #expect(try await Self.refusal(token) == reason)
    }

    @Test("A token of 8 KiB is parsed, a larger one isn't")
    func size() async throws {
        let text = String(repeating: "a", count: Token.sizeMax - 4)
        #expect(try await Self.refusal("\(text).b.c") == "not Base64url")
        #expect(try await Self.refusal("\(text)a.b.c") == "larger than 8 KiB")
    }

    @Test("Without a secret no token is created")
    func noSecret() async throws {
        let authenticator = try await Authenticator(AuthenticationOptions(), now: { Self.now })
        #expect(authenticator.mint(subject: "ada", lifetime: .seconds(1)) == nil)
        #expect(!authenticator.canSign)
    }
}
