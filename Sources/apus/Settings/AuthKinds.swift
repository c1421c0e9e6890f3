import Foundation
import WebSocketServer

/// A secret of at least 32 bytes; empty means `nil`.
struct Secret: Kind {
    static let sizeMin = 32

    let accepted = "at least \(sizeMin) bytes, or empty (none)"

    func parse(_ text: String) throws(Rejection) -> String? {
        if text.isEmpty { return nil }
        guard text.utf8.count >= Self.sizeMin else { throw Rejection(problem: "too short") }
        return text
    }

    func write(_ value: String?) -> String { value ?? "" }
}

/// Any text; empty means `nil`.
struct OptionalText: Kind {
    let accepted: String

    static let path = OptionalText(accepted: "a path, or empty (none)")

    static func claim(_ meaning: String) -> OptionalText {
        OptionalText(accepted: "text, or empty (\(meaning))")
    }

    func parse(_ text: String) throws(Rejection) -> String? {
        guard !text.utf8.contains(0) else { throw Rejection(problem: "not a text") }
        return text.isEmpty ? nil : text
    }

    func write(_ value: String?) -> String { value ?? "" }
}

/// A set of words from a fixed list, in any order.
struct WordSet<Value: Sendable & Hashable>: ListKind {
    let options: [(word: String, value: Value)]

    init(_ options: [(word: String, value: Value)]) { self.options = options }

    var accepted: String {
        "a list of " + options.map(\.word).joined(separator: ", ") + ", or empty (none)"
    }

    func parse(_ text: String) throws(Rejection) -> Set<Value> {
        var values: Set<Value> = []
        for word in listed(text) {
            guard let option = options.first(where: { $0.word == word }) else {
                throw Rejection(problem: "not a list of the allowed values")
            }
            values.insert(option.value)
        }
        return values
    }

    func write(_ value: Set<Value>) -> String {
        options.filter { value.contains($0.value) }.map(\.word).joined(separator: ", ")
    }
}

/// The pages that may connect: `any`, or a list of origins and `same-origin`.
struct Origins: ListKind {
    private static let same = "same-origin"
    private static let any = "any"

    let accepted = "any, or a list of same-origin, https://a.example, https://*.a.example, null"

    func parse(_ text: String) throws(Rejection) -> OriginPolicy {
        if text == Self.any { return .any }
        var policy = OriginPolicy()
        for word in listed(text) {
            if word == Self.same {
                policy.allowsSameOrigin = true
            } else if let pattern = OriginPolicy.Pattern(word) {
                policy.patterns.append(pattern)
            } else {
                throw Rejection(problem: "not a list of origins")
            }
        }
        guard policy != OriginPolicy() else { throw Rejection(problem: "not a list of origins") }
        return policy
    }

    func write(_ value: OriginPolicy) -> String {
        if value.allowsAny { return Self.any }
        let same = value.allowsSameOrigin ? [Self.same] : []
        return (same + value.patterns.map(\.description)).joined(separator: ", ")
    }
}

/// Returns the words of a comma-separated list; none for an empty text.
private func listed(_ text: String) -> [String] {
    if text.isEmpty { return [] }
    return text.split(separator: ",", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
}
