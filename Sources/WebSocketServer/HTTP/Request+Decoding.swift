import HTTPProtocol
import HTTPTypes

extension Request {
    /// Decodes the body, which must be JSON.
    ///
    /// The decoder is a closure, so that the library needs no Foundation:
    /// `try request.decode(NewTask.self, using: JSONDecoder().decode)`.
    ///
    /// - Parameters:
    ///   - type: The type of the value.
    ///   - decode: Decodes bytes: `Data`, `[UInt8]`, or any other collection that can be created
    ///     from bytes.
    /// - Throws: A ``Problem``: 415 if the body's media type isn't JSON or the body is compressed,
    ///   400 if it can't be parsed, which for Foundation's decoder includes a number that its type
    ///   can't represent, 422 if it doesn't describe a `type`, with the place of the
    ///   error. A ``Problem`` of `decode` is thrown unchanged.
    public func decode<Value, Bytes: RangeReplaceableCollection>(
        _ type: Value.Type, using decode: (Value.Type, Bytes) throws -> Value
    ) throws -> Value where Bytes.Element == UInt8 {
        // Pages of other origins can send forms and plain text without a preflight, but no JSON
        // (Fetch standard, CORS-safelisted request-header).
        guard MediaType(head.headerFields[exact: .contentType]).isJSON else {
            throw Problem(
                .unsupportedMediaType, "Send JSON, and the header Content-Type: application/json.",
                headerFields: [.accept: "application/json"])
        }
        let coding = head.headerFields[exact: .contentEncoding]?.utf8.map(\.lowercased) ?? []
        guard coding.isEmpty || coding.elementsEqual("identity".utf8) else {
            // RFC 9110 §15.5.16.
            throw Problem(
                .unsupportedMediaType, "Send the body without Content-Encoding.",
                headerFields: [.acceptEncoding: "identity"])
        }
        do {
            return try decode(type, Bytes(body))
        } catch let problem as Problem {
            throw problem
        } catch let error as DecodingError {
            throw Problem(error)
        } catch {
            throw Problem(.badRequest, "The body can't be decoded.")
        }
    }
}

extension Response {
    /// Returns a response with a value as JSON.
    ///
    /// The encoder is a closure, so that the library needs no Foundation:
    /// `try Response.json(task, using: JSONEncoder().encode)`.
    ///
    /// - Parameter encode: Encodes the value as `Data`, `[UInt8]`, or any other sequence of bytes.
    /// - Throws: The error of `encode`.
    public static func json<Value, Bytes: Sequence>(
        _ value: Value, status: HTTPResponse.Status = .ok, using encode: (Value) throws -> Bytes
    ) rethrows -> Response where Bytes.Element == UInt8 {
        Response(
            status: status, headerFields: [.contentType: "application/json"],
            body: Array(try encode(value)))
    }
}

extension Problem {
    /// The most scalars that are shown of a text that the peer may have chosen.
    private static let shownMax = 160

    /// Creates the refusal of a body that can't be decoded.
    fileprivate init(_ error: DecodingError) {
        switch error {
        case .dataCorrupted(let context) where context.codingPath.isEmpty:
            // Foundation's decoder reports broken JSON like this, and numbers that don't fit.
            self.init(
                .badRequest, "The body can't be decoded: \(Self.shown(context.debugDescription))")
        case .dataCorrupted(let context):
            self.init(Self.place(context.codingPath), Self.shown(context.debugDescription))
        case .keyNotFound(let key, let context):
            self.init(Self.place(context.codingPath + [key]), "The member is missing.")
        case .valueNotFound(let type, let context):
            self.init(Self.place(context.codingPath), "The value is null, but must be \(type).")
        case .typeMismatch(_, let context):
            self.init(Self.place(context.codingPath), Self.shown(context.debugDescription))
        @unknown default:
            self.init(.unprocessableContent, "The body doesn't have the expected form.")
        }
    }

    private init(_ place: String, _ error: String) {
        self.init(.unprocessableContent, "\(place): \(error)")
    }

    /// Returns the place of an error: `items[2].name`.
    private static func place(_ path: [any CodingKey]) -> String {
        var text = ""
        // Nested deeper than this, the front is enough to find it.
        for key in path.prefix(16) {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + shown(key.stringValue)
            }
        }
        if path.count > 16 { text += "…" }
        return text.isEmpty ? "The body" : text
    }

    private static func shown(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let front = scalars.prefix(shownMax)
        return String(front) + (front.endIndex == scalars.endIndex ? "" : "…")
    }
}
