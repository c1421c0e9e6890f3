import Foundation

/// A JSON Web Token in its compact form (RFC 7515 §7.1), taken apart; nothing of it is believed.
struct Token {
    /// Bytes of a whole token, past which nothing is looked at.
    static let sizeMax = 8 << 10

    struct Header: Decodable {
        let algorithm: String
        let keyID: String?

        private enum CodingKeys: String, CodingKey { case alg, kid, crit }

        init(from decoder: any Decoder) throws {
            let members = try decoder.container(keyedBy: CodingKeys.self)
            algorithm = try members.decode(String.self, forKey: .alg)
            keyID = try members.decodeIfPresent(String.self, forKey: .kid)
            // RFC 7515 §4.1.11: extensions that must be understood, of which we know none.
            guard !members.contains(.crit) else { throw TokenFault("crit in the header") }
        }
    }

    let header: Header
    /// What the signature is over: the encoded header, a dot and the encoded claims.
    let signedPart: ArraySlice<UInt8>
    let claims: [UInt8]
    let signature: [UInt8]

    init(_ text: some StringProtocol) throws(TokenFault) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.sizeMax else { throw TokenFault("larger than 8 KiB") }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw TokenFault("not of three parts") }
        guard let header = Base64URL.decode(parts[0]), let claims = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2])
        else { throw TokenFault("not Base64url") }
        do {
            self.header = try JSONDecoder().decode(Header.self, from: Data(header))
        } catch let fault as TokenFault {
            throw fault
        } catch {
            throw TokenFault("its header is not as it must be")
        }
        self.claims = claims
        self.signature = signature
        signedPart = bytes[..<parts[1].endIndex]
    }
}

/// What a token claims (RFC 7519 §4.1), as far as we look.
struct TokenClaims: Decodable {
    let subject: String
    /// Seconds since 1970.
    let expiry: Double?
    let notBefore: Double?
    let issuer: String?
    let audience: [String]?

    private enum CodingKeys: String, CodingKey { case sub, exp, nbf, iss, aud }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        subject = try members.decode(String.self, forKey: .sub)
        expiry = try members.decodeIfPresent(Double.self, forKey: .exp)
        notBefore = try members.decodeIfPresent(Double.self, forKey: .nbf)
        issuer = try members.decodeIfPresent(String.self, forKey: .iss)
        // RFC 7519 §4.1.3: one string, or a list of them.
        if let one = try? members.decodeIfPresent(String.self, forKey: .aud) {
            audience = [one]
        } else {
            audience = try members.decodeIfPresent([String].self, forKey: .aud)
        }
    }

    /// Whether they hold at `now`, in seconds since 1970.
    func check(_ options: AuthenticationOptions, at now: Double) throws(TokenFault) {
        guard !subject.isEmpty else { throw TokenFault("its sub is empty") }
        let leeway = options.leeway / .seconds(1)
        if let expiry {
            // RFC 7519 §4.1.4: on that second it is over.
            guard now < expiry + leeway else { throw TokenFault("expired") }
        } else if options.requiresExpiry {
            throw TokenFault("without exp")
        }
        if let notBefore, now + leeway < notBefore { throw TokenFault("not valid yet") }
        if let expected = options.issuer, issuer?.isExactly(expected) != true {
            throw TokenFault("of another issuer")
        }
        // RFC 7519 §4.1.3: who isn't named in it must not accept it, nor who has no name.
        if let audience {
            guard let expected = options.audience,
                audience.contains(where: expected.isExactly)
            else {
                throw TokenFault("for another audience")
            }
        } else if options.audience != nil {
            throw TokenFault("without aud")
        }
    }
}

extension String {
    /// Whether it has the same characters, unnormalized, as names in tokens are compared (RFC 7519
    /// §7.3): strings themselves are equal, too, where «é» is one character here and two there.
    func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

/// Why a token isn't accepted, for the log: it never tells what is in the token.
struct TokenFault: Error, Hashable {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// Base64 with the alphabet for URLs, without padding (RFC 7515 §2).
enum Base64URL {
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let text = Data(bytes).base64EncodedString().utf8.compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` for anything outside the alphabet, padding and spaces included.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var plain: [UInt8] = []
        plain.reserveCapacity(text.count + 3)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): plain.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): plain.append(UInt8(ascii: "/"))
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: plain.append(byte)
            }
        }
        while plain.count % 4 != 0 { plain.append(UInt8(ascii: "=")) }
        return Data(base64Encoded: Data(plain)).map { [UInt8]($0) }
    }
}
