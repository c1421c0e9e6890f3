package import HTTPProtocol
import HTTPTypes

/// A media type without its parameters (RFC 9110 §8.3.1), as `Content-Type` names it.
package enum MediaType: Hashable, Sendable {
    /// No type is named.
    case none
    /// Something is named that is no type: it is not tokens, which are ASCII, around a slash.
    case malformed
    /// In small letters: `application/json`.
    case named(ExactString)

    /// Reads a field's value; `nil` stands for a field that isn't there.
    package init(_ value: ExactString?) {
        let type = (value?.utf8).map { Array($0.prefix { !Self.ends.contains($0) }) } ?? []
        // Blanks around a type don't matter (RFC 9110 §5.5). Those within it are left out, so that
        // no form of another page's passes for something else.
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

    /// Before parameters, and before the next of several, which there must not be.
    private static let ends = Array(";,".utf8)
}
