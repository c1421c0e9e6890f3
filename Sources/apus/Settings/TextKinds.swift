import Foundation
import Logging
import WebSocketServer

/// A word from a fixed list.
struct Choice<Value: Sendable & Equatable>: Kind {
    let options: [(word: String, value: Value)]

    init(_ options: [(word: String, value: Value)]) { self.options = options }

    var accepted: String {
        let words = options.map(\.word)
        return words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    }

    func parse(_ text: String) throws(Rejection) -> Value {
        guard let option = options.first(where: { $0.word == text }) else {
            throw Rejection(problem: "not one of the allowed values")
        }
        return option.value
    }

    func write(_ value: Value) -> String {
        options.first { $0.value == value }?.word ?? "\(value)"
    }
}

extension Choice where Value == Bool {
    static var flag: Self { Self([("true", true), ("false", false)]) }
}

extension Choice where Value == Logger.Level {
    static var logLevel: Self { Self(Logger.Level.allCases.map { ($0.rawValue, $0) }) }
}

/// An IPv4 or IPv6 address, or a host name; never with a port or brackets.
struct Host: Kind {
    let accepted = "an IPv4 address, an IPv6 address without brackets, or a host name"

    func parse(_ text: String) throws(Rejection) -> String {
        guard isAddress(text, AF_INET) || isAddress(text, AF_INET6) || isName(text) else {
            throw Rejection(problem: "not an address or host name")
        }
        return text
    }

    func write(_ value: String) -> String { value }

    private func isAddress(_ text: String, _ family: Int32) -> Bool {
        // A link-local IPv6 address may name its interface: fe80::1%eth0.
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, family == AF_INET || parts[1].isEmpty { return false }
        var address = in6_addr()
        return inet_pton(family, String(parts.first ?? ""), &address) == 1
    }

    /// Returns whether a text is a host name: RFC 1123 §2.1, with underscores, which container
    /// networks allow.
    private func isName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        // Otherwise 999.0.0.1 would be looked up as a name.
        let isNumeric = labels.last?.allSatisfy(\.isNumber) ?? true
        return text.utf8.count <= 253 && !isNumeric
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.first != "-" && label.last != "-"
                    && label.allSatisfy {
                        $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_")
                    }
            }
    }
}

/// The path of a Unix-domain socket; empty means `nil`.
struct SocketPath: Kind {
    static let bytesMax = ListenAddress.pathSizeMax

    let accepted = "a path of up to \(bytesMax) bytes, or empty (none)"

    func parse(_ text: String) throws(Rejection) -> String? {
        guard text.utf8.count <= Self.bytesMax else { throw Rejection(problem: "too long") }
        guard !text.utf8.contains(0) else { throw Rejection(problem: "not a path") }
        return text.isEmpty ? nil : text
    }

    func write(_ value: String?) -> String { value ?? "" }
}

/// Policies by prefix of a topic's name: `ticks/=conflate, logs/=drop_oldest`. The first match
/// applies.
struct TopicRules: ListKind {
    let policies: Choice<SlowSubscriberPolicy>

    var accepted: String { "a list of PREFIX=POLICY, or empty (none)" }

    func parse(_ text: String) throws(Rejection) -> [TopicConfiguration.Rule] {
        if text.isEmpty { return [] }
        var rules: [TopicConfiguration.Rule] = []
        for rule in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = rule.split(separator: "=", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2, !sides[0].isEmpty else {
                throw Rejection(problem: "not PREFIX=POLICY, as ticks/=conflate")
            }
            guard let option = policies.options.first(where: { $0.word == sides[1] }) else {
                throw Rejection(problem: "not a policy: \(policies.accepted)")
            }
            rules.append(.init(prefix: sides[0], policy: option.value))
        }
        return rules
    }

    func write(_ value: [TopicConfiguration.Rule]) -> String {
        value.map { "\($0.prefix)=\(policies.write($0.policy))" }.joined(separator: ", ")
    }
}
