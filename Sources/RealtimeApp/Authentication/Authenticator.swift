import AppInput
import Foundation
public import HTTPProtocol
import JWTKit

/// The identity in a token.
public struct Identity: Sendable, Hashable {
    /// The token's `sub`.
    public let subject: ExactString
    /// The expiry in seconds since 1970, including the leeway; `nil` means never.
    let end: Double?
}

/// A verifier of tokens with the configured keys, which also creates tokens with the secret.
///
/// It uses the algorithms of JWTKit, but not its collection of keys, which is an actor: a handshake
/// is answered on its loop, without a hop.
struct Authenticator: Sendable {
    /// Returns the current time in seconds since 1970.
    typealias Clock = @Sendable () -> Double

    static let systemClock: Clock = { Date().timeIntervalSince1970 }

    private let keys: KeySet
    /// The keys of a URL; `nil` if there is none.
    private let remote: RemoteKeySet?
    private let signingKey: KeySet.Key?
    private let options: AuthenticationOptions
    let now: Clock

    /// Reads the keys that `options` refers to. `skipped` is called with each key of the set that
    /// can't be used.
    init(
        _ options: AuthenticationOptions, remote: RemoteKeySet? = nil,
        now: @escaping Clock = systemClock,
        skipped: (String) -> Void = { _ in }
    ) async throws(AuthenticationFault) {
        var keys = KeySet()
        if let secret = options.secret {
            let key = await KeySet.secretKey(Array(secret.utf8), options.algorithm)
            signingKey = key
            try keys.add(key)
        } else {
            signingKey = nil
        }
        if let path = options.keySetPath, !options.hasRemoteKeys {
            let data = try readFile(path, for: "auth.jwt.jwks")
            for sentence in try await keys.add(jwks: data) { skipped(sentence) }
        }
        self.keys = keys
        self.remote = remote
        self.options = options
        self.now = now
    }

    /// Whether tokens can be created.
    var canSign: Bool { signingKey != nil }

    /// Returns the identity of a token. Throws if its signature or claims are invalid.
    func verify(_ text: ExactString) throws(TokenFault) -> Identity {
        let token = try Token(text)
        let keys = remote.map { self.keys.joined(with: $0.keys) } ?? self.keys
        guard let key = keys.key(for: token.header) else {
            // The issuer may have a new key. The client's next attempt finds it.
            remote?.refreshSoon()
            throw TokenFault("no key has its kid and alg")
        }
        let isSigned = try? key.algorithm.verify(token.signature, signs: token.signedPart)
        guard isSigned == true else { throw TokenFault("its signature is invalid") }
        let claims = try TokenClaims(token.claims)
        try claims.check(options, at: now())
        return Identity(
            subject: claims.subject,
            end: claims.expiry.map { $0 + options.leeway / .seconds(1) })
    }

    /// Returns a new token that is signed with the secret; `nil` without one.
    func mint(subject: String, lifetime: Duration, audience: String? = nil) -> String? {
        guard let signingKey else { return nil }
        let issued = now().rounded(.down)
        let claims = MintedClaims(
            sub: subject, iat: issued, exp: issued + (lifetime / .seconds(1)).rounded(.up),
            iss: options.issuer, aud: audience ?? options.audience)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        let header = MintedHeader(alg: signingKey.algorithm.name, typ: "JWT")
        // Strings and numbers of this program can always be encoded, and an HMAC can't fail.
        let parts = [try! encoder.encode(header), try! encoder.encode(claims)]
        let signed = parts.map { Base64URL.encode($0) }.joined(separator: ".")
        let signature = try! signingKey.algorithm.sign(Array(signed.utf8))
        return "\(signed).\(Base64URL.encode(signature))"
    }
}

extension TokenClaims {
    /// Throws if the claims are invalid at `now`, in seconds since 1970.
    func check(_ options: AuthenticationOptions, at now: Double) throws(TokenFault) {
        guard !subject.isEmpty else { throw TokenFault("its sub is empty") }
        let leeway = options.leeway / .seconds(1)
        if let expiry {
            // RFC 7519 §4.1.4: the token has expired at that second.
            guard now < expiry + leeway else { throw TokenFault("expired") }
        } else if options.requiresExpiry {
            throw TokenFault("without exp")
        }
        if let notBefore, now + leeway < notBefore { throw TokenFault("not valid yet") }
        // Strings are compared without normalization (RFC 7519 §7.3).
        if let expected = options.issuer, issuer != ExactString(expected) {
            throw TokenFault("of another issuer")
        }
        // RFC 7519 §4.1.3: only a server that the token names may accept it.
        if let audience {
            guard let expected = options.audience, audience.contains(ExactString(expected)) else {
                throw TokenFault("for another audience")
            }
        } else if options.audience != nil {
            throw TokenFault("without aud")
        }
    }
}

private struct MintedHeader: Encodable {
    let alg: String
    let typ: String
}

private struct MintedClaims: Encodable {
    let sub: String
    let iat: Double
    let exp: Double
    let iss: String?
    let aud: String?
}

/// Reads a file that a configuration key refers to.
func readFile(_ path: String, for key: String) throws(AuthenticationFault) -> Data {
    let sizeMax = 4 << 20
    do {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        let data = try file.read(upToCount: sizeMax + 1) ?? Data()
        guard data.count <= sizeMax else {
            throw AuthenticationFault(key, "\(path): larger than 4MiB")
        }
        return data
    } catch let fault as AuthenticationFault {
        throw fault
    } catch {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        let reason = (underlying ?? error as NSError)
        let posix = reason.domain == NSPOSIXErrorDomain
        // Safety: the text is copied at once.
        let text = posix ? unsafe String(cString: strerror(Int32(reason.code))) : "\(error)"
        throw AuthenticationFault(key, "\(path): can't be read: \(text)")
    }
}
