import HTTPProtocol

/// The path of a route: `/ws/{client_id:int}`, `/files/{name}`, `/healthz`.
struct PathPattern: Sendable, Hashable {
    enum Segment: Sendable, Hashable {
        case literal(ExactString)
        case text(name: String)
        case integer(name: String)
    }

    enum Match {
        case no
        /// The path matches, but a parameter isn't of its type.
        case wrongType(name: String, value: ExactString)
        case yes(PathParameters)
    }

    let text: String
    let segments: [Segment]

    /// Parses a pattern. An invalid one is a programming error and traps with the reason.
    init(_ text: String) {
        precondition(text.hasPrefix("/"), "a route's path begins with a slash: \(text)")
        precondition(
            text == "/" || !text.hasSuffix("/") && !text.contains("//"),
            "a route's path has no empty segment: \(text)")
        self.text = text
        segments = text.split(separator: "/").map { part in
            guard part.hasPrefix("{") else {
                precondition(!part.contains("{"), "a parameter is a whole segment: \(text)")
                return .literal(ExactString(String(part)))
            }
            precondition(part.hasSuffix("}"), "a parameter ends with a brace: \(text)")
            let parts = part.dropFirst().dropLast().split(
                separator: ":", omittingEmptySubsequences: false)
            let name = String(parts[0])
            precondition(!name.isEmpty && parts.count <= 2, "a parameter is {name} or {name:type}")
            switch parts.count == 2 ? parts[1] : "text" {
            case "text": return .text(name: name)
            case "int": return .integer(name: name)
            default: preconditionFailure("a parameter's type is text or int: \(text)")
            }
        }
    }

    /// The sort key of patterns: from the left, literals before integers before text.
    var specificity: [Int] {
        segments.map {
            switch $0 {
            case .literal: 0
            case .integer: 1
            case .text: 2
            }
        }
    }

    /// Matches decoded path segments. A parameter doesn't match an empty segment.
    func match(_ path: [ExactString]) -> Match {
        guard path.count == segments.count else { return .no }
        var parameters: [String: ExactString] = [:]
        var wrong: (name: String, value: ExactString)?
        for (segment, value) in zip(segments, path) {
            switch segment {
            case .literal(let literal): if literal != value { return .no }
            case .text(let name):
                if value.isEmpty { return .no }
                parameters[name] = value
            case .integer(let name):
                if value.isEmpty { return .no }
                if Int(value.string) == nil || value.utf8.first == UInt8(ascii: "+") {
                    wrong = wrong ?? (name, value)
                }
                parameters[name] = value
            }
        }
        if let wrong { return .wrongType(name: wrong.name, value: wrong.value) }
        return .yes(PathParameters(values: parameters))
    }
}
