import Foundation
import HTTPProtocol
import JWTKit
import Testing

@testable import RealtimeApp

@Suite("Sets of keys")
struct KeySetTests {
    /// Keys created by OpenSSL: only their public parts, except for `oct`.
    private static let rsa = #""kty":"RSA","e":"AQAB","n":"\#(modulus)""#
    private static let modulus = """
        u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-\
        qKhbwKfBstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLV\
        kjRo9z-40RQzuVaE8AkAFmxZzow3x-VJYKdjykkJ0iT9wCS0DRTXu269V264Vf_3jvredZiKRkgwlL9xNAwxXFg\
        0x_XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC-9aGVd-Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmw
        """
    private static let ec = """
        "kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",\
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        """
    private static let ed = """
        "kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        """
    private static let oct =
        #""kty":"oct","k":"\#(Base64URL.encode([UInt8](repeating: 7, count: 64)))""#

    private static func load(_ keys: String...) async throws -> (KeySet, skipped: [String]) {
        var set = KeySet()
        let text = "{\"keys\":[" + keys.map { "{\($0)}" }.joined(separator: ",") + "]}"
        let skipped = try await set.add(jwks: Data(text.utf8))
        return (set, skipped)
    }

    private static func fault(_ text: String) async -> String? {
        var set = KeySet()
        do {
            _ = try await set.add(jwks: Data(text.utf8))
            return nil
        } catch {
            return error.description
        }
    }

    private func header(_ json: String) throws -> Token.Header {
        try Token("\(Base64URL.encode(Array(json.utf8))).e30.e30").header
    }

    @Test("Each key has one algorithm: its alg, or the default of its kind")
    func pinned() async throws {
        let (set, skipped) = try await Self.load(
            Self.rsa + #","kid":"rsa""#, Self.rsa + #","kid":"pss","alg":"PS384""#,
            Self.ec + #","kid":"ec""#, Self.ed + #","kid":"ed""#, Self.oct + #","kid":"oct""#,
            Self.oct + #","kid":"oct512","alg":"HS512""#)
        #expect(skipped == [])
        #expect(
            set.keys.map { "\($0.id?.string ?? "") \($0.algorithm.name)" } == [
                "rsa RS256", "pss PS384", "ec ES256", "ed EdDSA", "oct HS256", "oct512 HS512",
            ])
        #expect(set.key(for: try header(#"{"alg":"RS256","kid":"rsa"}"#)) != nil)
        // A key verifies only with its own algorithm, whatever the token's header says.
        for wrong in ["HS256", "RS384", "PS256", "none"] {
            #expect(set.key(for: try header(#"{"alg":"\#(wrong)","kid":"rsa"}"#)) == nil)
        }
        #expect(set.key(for: try header(#"{"alg":"ES256","kid":"rsa"}"#)) == nil)
        #expect(set.key(for: try header(#"{"alg":"RS256"}"#)) == nil)
    }

    @Test("A token without kid is for the key without one, or for the only key")
    func withoutName() async throws {
        let (named, _) = try await Self.load(Self.ec + #","kid":"ec""#)
        #expect(named.key(for: try header(#"{"alg":"ES256"}"#)) != nil)
        let (two, _) = try await Self.load(Self.ec + #","kid":"ec""#, Self.ed)
        #expect(two.key(for: try header(#"{"alg":"ES256"}"#)) == nil)
        #expect(two.key(for: try header(#"{"alg":"EdDSA"}"#)) != nil)
        #expect(two.key(for: try header(#"{"alg":"EdDSA","kid":"ed"}"#)) == nil)
        let (unnamed, _) = try await Self.load(Self.ec)
        #expect(unnamed.key(for: try header(#"{"alg":"ES256","kid":"other"}"#)) != nil)
        #expect(unnamed.key(for: try header(#"{"alg":"EdDSA","kid":"other"}"#)) == nil)
        #expect(named.key(for: try header(#"{"alg":"ES256","kid":"other"}"#)) == nil)
        let (accented, _) = try await Self.load(Self.ec + #","kid":"\u00E9""#)
        #expect(accented.key(for: try header(#"{"alg":"ES256","kid":"\u00E9"}"#)) != nil)
        #expect(accented.key(for: try header(#"{"alg":"ES256","kid":"e\u0301"}"#)) == nil)
    }

    @Test(
        "Keys for another purpose, and weak keys, are ignored",
        arguments: [
            (#""kty":"EC","crv":"secp256k1""#, "its crv is none of P-256, P-384, P-521"),
            (#""kty":"OKP","crv":"X25519""#, "its crv is not Ed25519"),
            (#""kty":"AKP""#, "its kty is none of RSA, EC, OKP, oct"),
            (rsa + #","use":"enc""#, "not for signatures"),
            (rsa + #","key_ops":["encrypt"]"#, "not for verifying"),
            (
                rsa + #","alg":"RSA-OAEP""#,
                "its alg is none that this kind of key verifies: "
                    + "RS256, RS384, RS512, PS256, PS384, PS512"
            ),
            (rsa + #","alg":"HS256""#, "its alg is none that this kind of key verifies: RS256"),
            (ec + #","alg":"ES512""#, "its alg is none that this kind of key verifies: ES256"),
            (oct + #","alg":"A128KW""#, "its alg is none of HS256, HS384, HS512"),
            (#""kty":"RSA","e":"AQAB","n":"u1SU1Q""#, "RSA needs 2048 bits, it has 32"),
            (
                #""kty":"RSA","e":"AQAB","n":"AAAA\#(modulus.prefix(172))""#,
                "RSA needs 2048 bits, it has 1032"
            ),
            (#""kty":"RSA""#, "not a valid key: "),
            (#""kty":"EC","crv":"P-256""#, "not a valid key: "),
            (#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#, "not a valid key: "),
            (#""kty":"OKP","crv":"Ed25519","x":"AA""#, "not a valid key: "),
            (#""kty":"oct","k":"c2hvcnQ""#, "HS256 needs 32 bytes, it has 5"),
            (#""kty":"oct""#, "its k is not Base64url"),
            ("", "not a JWK"), (#""kty":7"#, "not a JWK"), (rsa + #","kid":7"#, "not a JWK"),
        ])
    func passedOver(_ key: String, _ reason: String) async throws {
        let (set, skipped) = try await Self.load(key, Self.ed)
        #expect(set.keys.map(\.algorithm.name) == ["EdDSA"])
        #expect(skipped.count == 1)
        #expect(try #require(skipped.first).hasPrefix("key number 1 is ignored: \(reason)"))
    }

    @Test("An invalid set of keys is an error that names the key")
    func faults() async throws {
        for text in ["", "[]", "{}", #"{"keys":{}}"#, #"{"keys":7}"#] {
            #expect(
                await Self.fault(text)
                    == "auth.jwt.jwks: not a JWK Set: a JSON object with a list of keys (RFC 7517)")
        }
        #expect(await Self.fault(#"{"keys":[]}"#) == "auth.jwt.jwks: no key that can verify tokens")
        #expect(
            await Self.fault(#"{"keys":[{"kty":"AKP","kid":"q"}]}"#)
                == "auth.jwt.jwks: no key that can verify tokens; "
                + #"key "q" is ignored: its kty is none of RSA, EC, OKP, oct"#)
        #expect(
            await Self.fault(#"{"keys":[7,{"kty":"RSA","e":"AQAB","n":"u1SU1Q","kid":"k"}]}"#)
                == "auth.jwt.jwks: no key that can verify tokens; "
                + "key number 1 is ignored: not a JWK: an object of texts with a kty; "
                + #"key "k" is ignored: RSA needs 2048 bits, it has 32"#)
        #expect(
            await Self.fault("{\"keys\":[{\(Self.ed)},{\(Self.ed)}]}")
                == "auth.jwt.jwks: two keys have no kid and EdDSA")
    }
}
