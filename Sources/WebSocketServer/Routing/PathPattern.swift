import HTTPProtocol

/// The path of a route: `/ws/{client_id:int}`, `/users/{name}`, `/files/{path...}`, `/healthz`.
struct PathPattern: Sendable, Hashable {
    enum Segment: Sendable, Hashable {
        case literal(ExactString)
        case text(name: String)
        case integer(name: String)
        /// The rest of a path: its last segments, one at least.
        case rest(name: String)
    }

    enum Match {
        case no
        /// The path matches, but a parameter isn't of its type.
        case wrongType(name: String, value: ExactString)
        case yes(PathParameters)
    }

    let text: String
    let segments: [Segment]

    /// Parses a pattern.
    init(_ text: String) throws(PatternError) {
        guard text.hasPrefix("/") else {
            throw PatternError("a path begins with a slash: write \"/\(text)\"")
        }
        self.text = text
        let parts =
            text == "/"
            ? []
            : text.dropFirst().split(
                separator: "/", omittingEmptySubsequences: false)
        var segments: [Segment] = []
        var names: Set<String> = []
        for part in parts {
            if case .rest = segments.last {
                throw PatternError("{name...} is the rest of a path, so it is the last segment")
            }
            let segment = try Self.segment(part)
            if let name = segment.name, !names.insert(name).inserted {
                throw PatternError("two parameters are called \(name): name each differently")
            }
            segments.append(segment)
        }
        self.segments = segments
    }

    private static func segment(_ part: Substring) throws(PatternError) -> Segment {
        if part.isEmpty {
            throw PatternError("a segment is empty: write one slash between two, none at the end")
        }
        if part.contains("{") || part.contains("}") { return try parameter(part) }
        if part.contains("*") {
            throw PatternError("'*' has no meaning: write {name...} for the rest of a path")
        }
        if part.hasPrefix(":") {
            throw PatternError("a parameter is written with braces: {\(part.dropFirst())}")
        }
        if part.hasPrefix("<"), part.hasSuffix(">") {
            throw PatternError(
                "a parameter is written with braces: {\(part.dropFirst().dropLast())}")
        }
        if part.contains("?") || part.contains("#") {
            throw PatternError(
                "a path has no query: read it from the request, and leave it out here")
        }
        if part.contains("%") {
            throw PatternError(
                "requests are decoded before they are compared: write \(part) decoded")
        }
        return .literal(ExactString(String(part)))
    }

    private static func parameter(_ part: Substring) throws(PatternError) -> Segment {
        let inner = part.dropFirst().dropLast()
        guard part.hasPrefix("{"), part.hasSuffix("}"), part.count >= 2,
            !inner.contains("{"), !inner.contains("}")
        else { throw PatternError("a parameter is a whole segment: write /{a}/{b}") }
        if inner.contains("*") || inner.hasSuffix(":path") {
            let name = inner.filter { $0 != "*" }.prefix { $0 != ":" }
            throw PatternError("write {\(name)...} for the rest of a path")
        }
        if inner.hasSuffix("...") {
            return .rest(name: try Self.name(inner.dropLast(3)))
        }
        let halves = inner.split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = try Self.name(halves[0])
        switch halves.count == 2 ? halves[1] : "text" {
        case "text": return .text(name: name)
        case "int": return .integer(name: name)
        default: throw PatternError("a parameter's type is text or int: write {\(name):int}")
        }
    }

    private static func name(_ text: Substring) throws(PatternError) -> String {
        let isName = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
            default: false
            }
        }
        guard isName, !text.isEmpty else {
            throw PatternError(
                "a parameter is {name}, {name:int} or {name...}, and a name has letters, digits, "
                    + "'_' and '-'")
        }
        return String(text)
    }

    /// The sort key of patterns: from the left, literals before integers before text before the
    /// rest of a path.
    var specificity: [Int] {
        segments.map {
            switch $0 {
            case .literal: 0
            case .integer: 1
            case .text: 2
            case .rest: 3
            }
        }
    }

    /// Whether the last segment is the rest of a path.
    private var hasRest: Bool {
        if case .rest = segments.last { true } else { false }
    }

    /// Matches decoded path segments. A parameter doesn't match an empty segment, except for the
    /// rest of a path, which may be empty after its slash.
    func match(_ path: [ExactString]) -> Match {
        // `/` has no segment, and nothing after its slash.
        if hasRest { return match(path.isEmpty ? [""] : path, hasRest: true) }
        return match(path, hasRest: false)
    }

    private func match(_ path: [ExactString], hasRest: Bool) -> Match {
        guard hasRest ? path.count >= segments.count : path.count == segments.count else {
            return .no
        }
        var parameters = PathParameters()
        var wrong: (name: String, value: ExactString)?
        for (index, segment) in segments.enumerated() {
            let value = path[index]
            switch segment {
            case .literal(let literal): if literal != value { return .no }
            case .text(let name):
                if value.isEmpty { return .no }
                parameters.values[name] = value
            case .integer(let name):
                if value.isEmpty { return .no }
                if Int(value.string) == nil || value.utf8.first == UInt8(ascii: "+") {
                    wrong = wrong ?? (name, value)
                }
                parameters.values[name] = value
            case .rest(let name):
                parameters.rest = Array(path[index...])
                parameters.values[name] = ExactString(parameters.rest.joined(separator: "/"))
            }
        }
        if let wrong { return .wrongType(name: wrong.name, value: wrong.value) }
        return .yes(parameters)
    }
}

extension PathPattern.Segment {
    /// The name of a parameter; `nil` for a literal.
    fileprivate var name: String? {
        switch self {
        case .literal: nil
        case .text(let name), .integer(let name), .rest(let name): name
        }
    }
}
