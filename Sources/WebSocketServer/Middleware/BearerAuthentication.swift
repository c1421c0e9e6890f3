import HTTPTypes

/// Lets only requests with a valid token pass: `Authorization: Bearer TOKEN` (RFC 6750).
///
/// Others are answered 401 with `WWW-Authenticate`. Routes read what the closure returned:
///
/// ```swift
/// struct User: Sendable { let name: String }
/// let authentication = BearerAuthentication { token in try await users.find(token: token) }
///
/// router.group("/account", middleware: [authentication]) { account in
///     account.get("/") { request in
///         .text(request.values[BearerAuthentication<User>.self]!.name)
///     }
/// }
/// ```
///
/// OPTIONS requests that no route handles need no token, because browsers send none with a CORS
/// preflight. Browsers can't send this header field with a WebSocket either: pages send a token as
/// a subprotocol or as the first message.
public struct BearerAuthentication<Identity: Sendable>: Middleware, RequestValueKey {
    /// The owner of a token.
    public typealias Value = Identity

    private let identify: @Sendable (String) async throws -> Identity?

    /// Creates the middleware.
    ///
    /// - Parameter identify: Returns the owner of a token, or `nil` if the token isn't valid.
    ///   Compare tokens as ``ExactString`` or by a hash, not as `String`. A thrown ``Problem``
    ///   becomes the response.
    public init(_ identify: @escaping @Sendable (_ token: String) async throws -> Identity?) {
        self.identify = identify
    }

    public func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response {
        if request.isUnroutedOptions { return try await next(request) }
        let given = request.head.headerFields[values: .authorization]
        guard !given.isEmpty else { throw Self.refusal("Bearer") }
        guard given.count == 1, let token = Self.token(in: given[0]),
            let identity = try await identify(token)
        else { throw Self.refusal(#"Bearer error="invalid_token""#) }
        var request = request
        request.values[Self.self] = identity
        return try await next(request)
    }

    /// Returns a 401. It names an error only if the request had credentials (RFC 6750 §3).
    private static func refusal(_ challenge: String) -> Problem {
        Problem(
            .unauthorized, "A valid token is required.",
            headerFields: [.wwwAuthenticate: challenge])
    }

    /// Returns the token of a header field's value: `Bearer`, in any case, spaces, and a `b64token`
    /// (RFC 6750 §2.1, RFC 9110 §11.4).
    private static func token(in value: String) -> String? {
        let bytes = value.utf8
        let scheme = bytes.prefix { $0 != UInt8(ascii: " ") }
        guard scheme.map(\.lowercased).elementsEqual("bearer".utf8) else { return nil }
        let token = bytes.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        let isValid = token.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-._~+/=".utf8.contains(byte)
            }
        }
        return isValid && !token.isEmpty ? String(Substring(token)) : nil
    }
}
