import Foundation
import JWTKit

/// The keys that verify tokens, each with the one algorithm that it is for.
struct KeySet: Sendable {
    struct Key: Sendable {
        /// By which a token names it; `nil`: it can't.
        let id: String?
        /// Its `name` is what a token's `alg` must be: a token has no say in how it is verified.
        let algorithm: any JWTAlgorithm
    }

    private(set) var keys: [Key] = []

    init() {}

    /// The key that a token's header asks for: one with its `kid` and `alg`. A token without `kid`
    /// is for a key without, or for the only one there is.
    func key(for header: Token.Header) -> Key? {
        keys.first { key in
            let isNamed =
                if let id = header.keyID { key.id?.isExactly(id) ?? false } else {
                    key.id == nil || keys.count == 1
                }
            return isNamed && key.algorithm.name == header.algorithm
        }
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

    /// The key that signs and verifies with the secret.
    static func secretKey(
        _ secret: some DataProtocol, _ algorithm: AuthenticationOptions.SecretAlgorithm,
        id: String? = nil
    ) async -> Key {
        let digest: DigestAlgorithm =
            switch algorithm {
            case .hs256: .sha256
            case .hs384: .sha384
            case .hs512: .sha512
            }
        let collection = await JWTKeyCollection().add(
            hmac: HMACKey(from: secret), digestAlgorithm: digest)
        // The collection has this key, and only this one.
        return Key(id: id, algorithm: try! await collection.getKey())
    }

    /// Adds the keys of a JWK Set (RFC 7517 §5); returns what was passed over, as sentences.
    mutating func add(jwks data: Data) async throws(AuthenticationFault) -> [String] {
        let set: JSONWebKeySet
        do {
            set = try JSONDecoder().decode(JSONWebKeySet.self, from: data)
        } catch {
            throw AuthenticationFault(
                "auth.jwt.jwks", "not a JWK Set: a JSON object with a list of keys (RFC 7517)")
        }
        var skipped: [String] = []
        var added = 0
        for (index, key) in set.keys.enumerated() {
            let name = key.kid.map { "\"\($0.prefix(100))\"" } ?? "number \(index + 1)"
            do {
                try add(try await key.verificationKey())
                added += 1
            } catch let unusable as UnusableKey {
                // RFC 7517 §5: keys of kinds that aren't understood are to be ignored.
                skipped.append("key \(name) is ignored: \(unusable.reason)")
            } catch let fault as AuthenticationFault {
                throw fault
            } catch {
                throw AuthenticationFault(
                    "auth.jwt.jwks", "key \(name) is not a good key: \(error)")
            }
        }
        guard added > 0 else {
            throw AuthenticationFault(
                "auth.jwt.jwks",
                "no key that can verify tokens" + skipped.map { "; \($0)" }.joined())
        }
        return skipped
    }
}

/// Not a fault: a key for something else.
private struct UnusableKey: Error {
    let reason: String
}

private struct JSONWebKeySet: Decodable {
    let keys: [JSONWebKey]
}

/// A JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), without its private part.
private struct JSONWebKey: Decodable {
    let kty: String
    let kid: String?
    let alg: String?
    let use: String?
    let key_ops: [String]?
    let n: String?
    let e: String?
    let crv: String?
    let x: String?
    let y: String?
    let k: String?

    func verificationKey() async throws -> KeySet.Key {
        guard use == nil || use == "sig" else { throw UnusableKey(reason: "not for signatures") }
        guard key_ops?.contains("verify") ?? true else {
            throw UnusableKey(reason: "not for verifying")
        }
        switch kty {
        case "oct": return try await secretKey()
        case "RSA":
            let algorithm = try pinned(
                ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], otherwise: "RS256")
            return try await key(
                .rsa(algorithm, identifier: .any, modulus: n, exponent: e))
        case "EC":
            let curves: [String: (algorithm: String, curve: ECDSACurve)] = [
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

    /// The one algorithm of the key: its `alg`, which must fit, or else the one that its kind means.
    private func pinned(_ fitting: [String], otherwise: String) throws -> JWK.Algorithm {
        let name = alg ?? otherwise
        guard fitting.contains(name), let algorithm = JWK.Algorithm(rawValue: name) else {
            throw UnusableKey(
                reason: "its alg is none that such a key verifies: "
                    + fitting.joined(separator: ", "))
        }
        return algorithm
    }

    private func key(_ key: JWK) async throws -> KeySet.Key {
        let collection = try await JWTKeyCollection().add(jwk: key)
        return KeySet.Key(id: kid, algorithm: try await collection.getKey())
    }

    private func secretKey() async throws -> KeySet.Key {
        let name = alg ?? "HS256"
        guard let algorithm = AuthenticationOptions.SecretAlgorithm(rawValue: name) else {
            throw UnusableKey(reason: "its alg is none of HS256, HS384, HS512")
        }
        guard let secret = k.flatMap({ Base64URL.decode(Array($0.utf8)) }) else {
            throw WeakKey(description: "its k is not Base64url")
        }
        guard secret.count >= algorithm.secretSizeMin else {
            throw WeakKey(
                description: "\(name) needs \(algorithm.secretSizeMin) bytes, "
                    + "it has \(secret.count)")
        }
        return await KeySet.secretKey(secret, algorithm, id: kid)
    }
}

private struct WeakKey: Error, CustomStringConvertible {
    let description: String
}

extension JWKIdentifier {
    /// Keys are looked up by our own table; JWTKit wants a name all the same.
    fileprivate static var any: JWKIdentifier { JWKIdentifier(string: "key") }
}
