import HTTPTypes

/// Gives each request an identifier for logs: the client's `X-Request-ID` if it is valid, or else a
/// random one. The response has it in the same header field.
///
/// Routes and further middleware read it as `request.values[RequestID.self]`. A valid identifier
/// has 1 to 128 ASCII letters, digits, and `-`, `_`, `.`, `:`, `+`, `/`, `=`. A client can choose
/// it, so it proves nothing.
public struct RequestID: Middleware, RequestValueKey {
    /// The identifier.
    public typealias Value = String

    static let fieldName = HTTPField.Name("X-Request-ID")!
    private static let sizeMax = 128

    /// Creates the middleware.
    public init() {}

    public func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response {
        let id = Self.given(in: request.head.headerFields) ?? Self.makeID()
        var request = request
        request.values[RequestID.self] = id
        var response = try await next(request)
        response.headerFields[Self.fieldName] = id
        return response
    }

    /// Returns the valid identifier in header fields; `nil` if there is none, or several.
    static func given(in fields: HTTPFields) -> String? {
        let given = fields[values: fieldName]
        return given.count == 1 && isValid(given[0]) ? given[0] : nil
    }

    private static func isValid(_ id: String) -> Bool {
        1...sizeMax ~= id.utf8.count
            && id.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "-_.:+/=".utf8.contains(byte)
                }
            }
    }

    /// Returns 128 random bits as 32 hexadecimal digits.
    private static func makeID() -> String {
        (0..<2).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }.joined()
    }
}
