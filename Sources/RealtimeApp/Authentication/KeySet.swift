import AppInput
import Foundation
import HTTPProtocol
import JWTKit

/// The keys that verify tokens, each with its only algorithm.
struct KeySet: Sendable {
    struct Key: Sendable {
        /// The name of the key in tokens (`kid`); `nil` if it has none.
        let id: ExactString?
        /// The algorithm. A token's `alg` must equal its `name`, so that a token can't choose how
        /// it is verified.
        let algorithm: any JWTAlgorithm
    }

    private(set) var keys: [Key] = []

    init() {}

    /// Returns the key with the `kid` and `alg` of a token's header. A token without `kid` needs a
    /// key without one. If there is only one key, a missing `kid` on either side doesn't matter: it
    /// is a hint for choosing (RFC 7515 §4.1.4), and there is no choice.
    func key(for header: Token.Header) -> Key? {
        keys.first { key in
            let isMeant =
                key.id == header.keyID
                || keys.count == 1 && (key.id == nil || header.keyID == nil)
            return isMeant && ExactString(key.algorithm.name) == header.algorithm
        }
    }

    /// Returns a set with the keys of both.
    func joined(with other: KeySet) -> KeySet {
        var joined = self
        joined.keys += other.keys
        return joined
    }

    mutating func add(_ key: Key) throws(AuthenticationFault) {
        let isTwin = keys.contains {
            $0.id == key.id && $0.algorithm.name == key.algorithm.name
        }
        guard !isTwin else {
            let name = key.id.map { "kid \"\($0.prefix(100))\"" } ?? "no kid"
            throw AuthenticationFault(
                "auth.jwt.jwks", "two keys have \(name) and \(key.algorithm.name)")
        }
        keys.append(key)
    }

    /// Creates a set with the key that signs and verifies with the secret.
    static func secretKey(
        _ secret: some DataProtocol, _ algorithm: AuthenticationOptions.SecretAlgorithm,
        id: ExactString? = nil
    ) async -> Key {
        let digest: DigestAlgorithm =
            switch algorithm {
            case .hs256: .sha256
            case .hs384: .sha384
            case .hs512: .sha512
            }
        let collection = await JWTKeyCollection().add(
            hmac: HMACKey(from: secret), digestAlgorithm: digest)
        // The collection contains only this key.
        return Key(id: id, algorithm: try! await collection.getKey())
    }

    /// Adds the keys of a JWK Set (RFC 7517 §5). Returns a sentence for each key that is ignored.
    mutating func add(jwks data: Data) async throws(AuthenticationFault) -> [String] {
        guard case .object(let members)? = try? JSONReader.read([UInt8](data)),
            case .array(let values)? = members["keys"]
        else {
            throw AuthenticationFault(
                "auth.jwt.jwks", "not a JWK Set: a JSON object with a list of keys (RFC 7517)")
        }
        var skipped: [String] = []
        var added = 0
        for (index, value) in values.enumerated() {
            var name = "number \(index + 1)"
            let key: Key
            do {
                let found = try JSONWebKey(value)
                if let id = found.kid { name = "\"\(id.prefix(100))\"" }
                key = try await found.verificationKey()
            } catch {
                // RFC 7517 §5: ignore keys of unknown kinds, with missing members or with
                // unsupported values.
                let reason = (error as? UnusableKey)?.reason ?? "not a valid key: \(error)"
                skipped.append("key \(name) is ignored: \(reason)")
                continue
            }
            try add(key)
            added += 1
        }
        guard added > 0 else {
            throw AuthenticationFault(
                "auth.jwt.jwks",
                "no key that can verify tokens" + skipped.map { "; \($0)" }.joined())
        }
        return skipped
    }
}

/// The reason why a key is ignored: it has another purpose, or is too weak. That isn't an error.
private struct UnusableKey: Error {
    let reason: String
}

/// A JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2) without its private part.
private struct JSONWebKey {
    let kty: ExactString
    let kid: ExactString?
    let alg: ExactString?
    let use: ExactString?
    let keyOperations: [ExactString]?
    let n: String?
    let e: String?
    let crv: ExactString?
    let x: String?
    let y: String?
    let k: ExactString?

    init(_ value: JSONValue) throws(UnusableKey) {
        do throws(JSONMembers.WrongType) {
            let members = try JSONMembers(value)
            guard let kty = try members.text("kty") else { throw JSONMembers.WrongType() }
            self.kty = kty
            kid = try members.text("kid")
            alg = try members.text("alg")
            use = try members.text("use")
            keyOperations = try members.texts("key_ops")
            n = try members.text("n")?.string
            e = try members.text("e")?.string
            crv = try members.text("crv")
            x = try members.text("x")?.string
            y = try members.text("y")?.string
            k = try members.text("k")
        } catch {
            throw UnusableKey(reason: "not a JWK: an object of texts with a kty")
        }
    }

    func verificationKey() async throws -> KeySet.Key {
        guard use == nil || use == "sig" else { throw UnusableKey(reason: "not for signatures") }
        guard keyOperations?.contains("verify") ?? true else {
            throw UnusableKey(reason: "not for verifying")
        }
        switch kty {
        case "oct": return try await secretKey()
        case "RSA":
            let algorithm = try pinned(
                ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], otherwise: "RS256")
            try checkModulus()
            return try await key(
                .rsa(algorithm, identifier: .any, modulus: n, exponent: e))
        case "EC":
            let curves: [ExactString: (algorithm: String, curve: ECDSACurve)] = [
                "P-256": ("ES256", .p256), "P-384": ("ES384", .p384), "P-521": ("ES512", .p521),
            ]
            guard let crv, let known = curves[crv] else {
                throw UnusableKey(reason: "its crv is none of P-256, P-384, P-521")
            }
            let algorithm = try pinned([known.algorithm], otherwise: known.algorithm)
            return try await key(
                .ecdsa(algorithm, identifier: .any, x: x, y: y, curve: known.curve))
        case "OKP":
            guard crv == "Ed25519" else { throw UnusableKey(reason: "its crv is not Ed25519") }
            let algorithm = try pinned(["EdDSA"], otherwise: "EdDSA")
            return try await key(
                .octetKeyPair(algorithm, identifier: .any, x: x, y: nil, curve: .ed25519))
        default: throw UnusableKey(reason: "its kty is none of RSA, EC, OKP, oct")
        }
    }

    /// Returns the only algorithm of the key: its `alg`, which must fit the key, otherwise the
    /// default of its kind.
    private func pinned(_ fitting: [String], otherwise: String) throws -> JWK.Algorithm {
        let name = alg ?? ExactString(otherwise)
        guard let known = fitting.first(where: { ExactString($0) == name }),
            let algorithm = JWK.Algorithm(rawValue: known)
        else {
            throw UnusableKey(
                reason: "its alg is none that this kind of key verifies: "
                    + fitting.joined(separator: ", "))
        }
        return algorithm
    }

    private func key(_ key: JWK) async throws -> KeySet.Key {
        let collection = try await JWTKeyCollection().add(jwk: key)
        return KeySet.Key(id: kid, algorithm: try await collection.getKey())
    }

    /// Checks that the modulus has at least 2,048 bits (RFC 7518 §3.3).
    private func checkModulus() throws {
        guard let n, let bytes = Base64URL.decode(n.utf8) else { return }
        let digits = bytes.drop { $0 == 0 }
        let bits = digits.count * 8 - (digits.first?.leadingZeroBitCount ?? 0)
        guard bits >= 2_048 else {
            throw UnusableKey(reason: "RSA needs 2048 bits, it has \(bits)")
        }
    }

    private func secretKey() async throws -> KeySet.Key {
        let name = alg ?? "HS256"
        let algorithms = AuthenticationOptions.SecretAlgorithm.allCases
        guard let algorithm = algorithms.first(where: { ExactString($0.rawValue) == name }) else {
            throw UnusableKey(reason: "its alg is none of HS256, HS384, HS512")
        }
        guard let secret = k.flatMap({ Base64URL.decode($0.utf8) }) else {
            throw UnusableKey(reason: "its k is not Base64url")
        }
        guard secret.count >= algorithm.secretSizeMin else {
            throw UnusableKey(
                reason: "\(name) needs \(algorithm.secretSizeMin) bytes, it has \(secret.count)")
        }
        return await KeySet.secretKey(secret, algorithm, id: kid)
    }
}

extension JWKIdentifier {
    /// Keys are looked up by this type's own table, but JWTKit needs a name.
    fileprivate static var any: JWKIdentifier { JWKIdentifier(string: "key") }
}
