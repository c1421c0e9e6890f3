/// A document that describes the routes of a server. Encode it with a coder of your choice:
/// `try JSONEncoder().encode(router.openAPI(title: "Notes", version: "1.0"))`.
public struct APIDocument: Sendable, Hashable, Encodable {
    let value: DocumentValue

    init(_ value: DocumentValue) { self.value = value }

    /// Encodes the document.
    public func encode(to encoder: any Encoder) throws { try value.encode(to: encoder) }

    /// Returns the part about the whole.
    static func info(title: String, version: String, details: String) -> DocumentValue {
        var info: [String: DocumentValue] = ["title": .text(title), "version": .text(version)]
        info.set("description", details)
        return .object(info)
    }

    /// The name by which routes refer to the scheme of bearer tokens.
    static let tokenScheme = "bearer"

    /// The scheme of bearer tokens.
    static let tokenSchemes: DocumentValue = .object([
        tokenScheme: ["type": "http", "scheme": "bearer"]
    ])
}
