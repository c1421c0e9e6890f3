/// A media type without parameters (RFC 9110 §8.3.1), from `Content-Type`.
package enum MediaType: Hashable, Sendable {
    /// The field is missing or empty.
    case none
    /// The field isn't a media type: it isn't two tokens, which are ASCII, with a slash in between.
    case malformed
    /// The type in lowercase: `application/json`.
    case named(ExactString)

    /// Parses the value of the field; `nil` means that the field is missing.
    package init(_ value: ExactString?) {
        let type = (value?.utf8).map { Array($0.prefix { !Self.ends.contains($0) }) } ?? []
        // Whitespace around a type doesn't matter (RFC 9110 §5.5). Whitespace within it is removed,
        // so that a form from another origin's page can't pass as another type.
        let essence = type.filter { $0 != 0x20 && $0 != 0x09 }.map(\.lowercased)
        if essence.isEmpty {
            self = .none
            return
        }
        let parts = essence.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isTokenByte) })
        else {
            self = .malformed
            return
        }
        self = ExactString(validating: essence).map(MediaType.named) ?? .malformed
    }

    /// Whether this is JSON: `application/json`, or a type with the suffix `+json` (RFC 6839 §3.1).
    package var isJSON: Bool {
        guard case .named(let essence) = self else { return false }
        return essence == "application/json" || essence.utf8.suffix(5).elementsEqual("+json".utf8)
    }

    /// The characters that end a type, before parameters or a second type, which is invalid.
    private static let ends = Array(";,".utf8)
}
