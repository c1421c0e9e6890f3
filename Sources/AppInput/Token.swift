import Foundation
package import HTTPProtocol

/// A JSON Web Token in its compact form (RFC 7515 §7.1), parsed but not verified.
package struct Token {
    /// The most bytes of a token. Larger ones are refused unread.
    package static let sizeMax = 8 << 10

    package struct Header {
        package let algorithm: ExactString
        package let keyID: ExactString?

        package init(_ bytes: [UInt8]) throws(TokenFault) {
            let hasExtensions: Bool
            do throws(JSONMembers.WrongType) {
                let members = try JSONMembers(bytes)
                guard let algorithm = try members.text("alg") else { throw JSONMembers.WrongType() }
                self.algorithm = algorithm
                keyID = try members.text("kid")
                hasExtensions = members.has("crit")
            } catch {
                throw TokenFault("its header is invalid")
            }
            // RFC 7515 §4.1.11: critical extensions, none of which is supported.
            guard !hasExtensions else { throw TokenFault("its header has crit, which is unknown") }
        }
    }

    package let header: Header
    /// The signed text: the encoded header, a dot and the encoded claims.
    package let signedPart: ArraySlice<UInt8>
    package let claims: [UInt8]
    package let signature: [UInt8]

    package init(_ text: ExactString) throws(TokenFault) {
        guard text.utf8.count <= Self.sizeMax else { throw .tooLong }
        let bytes = Array(text.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw TokenFault("it does not have three parts") }
        guard let header = Base64URL.decode(parts[0]), let claims = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2])
        else { throw TokenFault("not Base64url") }
        self.header = try Header(header)
        self.claims = claims
        self.signature = signature
        signedPart = bytes[..<parts[1].endIndex]
    }
}

/// The claims of a token (RFC 7519 §4.1) that are evaluated.
package struct TokenClaims {
    package let subject: ExactString
    /// The expiry time in seconds since 1970.
    package let expiry: Double?
    package let notBefore: Double?
    package let issuer: ExactString?
    package let audience: [ExactString]?

    package init(_ bytes: [UInt8]) throws(TokenFault) {
        do throws(JSONMembers.WrongType) {
            let members = try JSONMembers(bytes)
            guard let subject = try members.text("sub") else { throw JSONMembers.WrongType() }
            self.subject = subject
            expiry = try members.number("exp")
            notBefore = try members.number("nbf")
            issuer = try members.text("iss")
            // RFC 7519 §4.1.3: a string, or a list of strings.
            if let one = try? members.text("aud") {
                audience = [one]
            } else {
                audience = try members.texts("aud")
            }
        } catch {
            throw TokenFault("its claims are invalid")
        }
    }
}

/// The reason why a token is refused, for the log. It contains nothing of the token.
package struct TokenFault: Error, Hashable {
    package static let tooLong = TokenFault("larger than 8 KiB")

    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

/// Base64url without padding (RFC 7515 §2).
package enum Base64URL {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
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

    /// Decodes Base64url. Returns `nil` for other characters, including padding and spaces.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
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
