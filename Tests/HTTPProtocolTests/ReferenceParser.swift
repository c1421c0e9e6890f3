/// A slow and simple second implementation of `RequestParser`, for one complete request without
/// limits.
///
/// It works with Latin-1 text and character sets, line by line, so that it shares neither code nor
/// structure with the parser that it checks.
struct ReferenceParser {
    enum Outcome: Equatable {
        case incomplete
        case refused(Int)
        case request(
            method: String, path: String, authority: String?, fields: [String], body: String)
    }

    private struct Refusal: Error { var status: Int }
    private struct Incomplete: Error {}

    private static let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    private static let token = Set((letters + "0123456789!#$%&'*+-.^_`|~").unicodeScalars)
    private static let unreserved = letters + "0123456789-._~!$&'()*+,;="
    private static let path = Set((unreserved + ":@[]|/%").unicodeScalars)
    private static let query = Set((unreserved + ":@[]|/?%^`{}\\").unicodeScalars)
    private static let hex = Set("0123456789abcdefABCDEF".unicodeScalars)
    private static let digits = Set("0123456789".unicodeScalars)

    private var text: [Unicode.Scalar]

    static func parse(_ bytes: [UInt8]) -> Outcome {
        var parser = ReferenceParser(text: bytes.map { Unicode.Scalar($0) })
        do {
            return try parser.request()
        } catch let refusal as Refusal {
            return .refused(refusal.status)
        } catch {
            return .incomplete
        }
    }

    private func require(_ condition: Bool, _ status: Int = 400) throws {
        if !condition { throw Refusal(status: status) }
    }

    /// Returns the next line without its CRLF.
    private mutating func line() throws -> String {
        var line = String.UnicodeScalarView()
        while let scalar = text.first {
            text.removeFirst()
            if scalar == "\r" {
                guard let next = text.first else { throw Incomplete() }
                try require(next == "\n")
                text.removeFirst()
                return String(line)
            }
            try require(scalar == "\t" || scalar.value >= 32 && scalar.value != 127)
            line.append(scalar)
        }
        throw Incomplete()
    }

    private mutating func request() throws -> Outcome {
        var start = try line()
        if start.isEmpty { start = try line() }
        let parts = start.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
            .map(String.init)
        try require(parts.count == 3 && isToken(parts[0]))
        let version = try version(parts[2])
        let known = "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split(separator: " ")
        try require(known.contains { $0 == parts[0] }, 501)
        let target = try target(parts[1], method: parts[0])
        let fields = try fieldLines(version: version)
        func values(_ name: String) -> [String] { fields.filter { $0.0 == name }.map(\.1) }
        let hosts = values("host")
        try require(hosts.count == 1 || version == "1.0" && hosts.isEmpty)
        let codings = values("transfer-encoding")
            .flatMap { $0.split(separator: ",").map { blanksTrimmed(String($0)).lowercased() } }
        let lengths = values("content-length")
        var body = ""
        if !codings.isEmpty {
            try require(lengths.isEmpty && version == "1.1" && codings.last == "chunked")
            try require(codings.count { $0 == "chunked" } == 1)
            try require(codings.count == 1, 501)
            body = try chunks()
        } else if let length = lengths.first {
            let trimmed = length.drop { $0 == "0" }
            try require(trimmed.count < 6 && Int(length)! <= 65_536, 413)
            guard text.count >= Int(length)! else { throw Incomplete() }
            body = scalars(text.prefix(Int(length)!))
        } else if !values("content-type").isEmpty {
            try require(!["POST", "PUT", "PATCH"].contains(parts[0]), 411)
        }
        let others = fields.filter { $0.0 != "host" }.map { "\($0.0):\($0.1)" }
        return .request(
            method: parts[0], path: target.path, authority: target.authority ?? hosts.first,
            fields: others, body: body)
    }

    private mutating func fieldLines(version: String) throws -> [(String, String)] {
        var fields: [(String, String)] = []
        while true {
            let line = try line()
            if line.isEmpty { return fields }
            try require(fields.count < 64, 431)
            let parts = line.unicodeScalars.split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            try require(parts.count == 2 && isToken(String(parts[0])))
            let name = String(parts[0]).lowercased()
            let value = blanksTrimmed(String(parts[1]))
            try check(name, value, version: version)
            let isSingle = ["host", "content-length"].contains(name)
            try require(!isSingle || !fields.contains { $0.0 == name })
            fields.append((name, value))
        }
    }

    private func check(_ name: String, _ value: String, version: String) throws {
        let elements = value.unicodeScalars.split(separator: ",", omittingEmptySubsequences: false)
            .map { blanksTrimmed(String($0)).lowercased() }
        switch name {
        case "host": try require(isAuthority(value))
        case "content-length":
            try require(!value.isEmpty && value.unicodeScalars.allSatisfy(Self.digits.contains))
        case "transfer-encoding":
            for element in elements {
                let name = blanksTrimmed(String(element.prefix { $0 != ";" }))
                try require(isToken(name) && (name != "chunked" || !element.contains(";")))
            }
        case "expect" where version == "1.1":
            try require(elements.allSatisfy { $0.isEmpty || $0 == "100-continue" }, 417)
        default: break
        }
    }

    private mutating func chunks() throws -> String {
        var body = String.UnicodeScalarView()
        while true {
            let line = try line()
            let size = line.unicodeScalars.prefix(while: Self.hex.contains)
            try require(1...16 ~= size.count && Self.hasValidExtensions(line))
            guard let length = Int(String(size), radix: 16) else { throw Refusal(status: 400) }
            try require(body.count + min(length, 70_000) <= 65_536, 413)
            if length == 0 { break }
            body.append(contentsOf: text.prefix(length))
            text.removeFirst(min(length, text.count))
            for expected in ["\r", "\n"] as [Unicode.Scalar] {
                guard let next = text.first else { throw Incomplete() }
                try require(next == expected)
                text.removeFirst()
            }
        }
        while true {
            let trailer = try line()
            if trailer.isEmpty { return String(body) }
            let name = trailer.unicodeScalars.prefix { $0 != ":" }
            try require(name.count < trailer.unicodeScalars.count && isToken(String(name)))
        }
    }

    /// Parses the chunks by regular expression; the first digits of a line are the size.
    private static func hasValidExtensions(_ line: String) -> Bool {
        let token = "[a-zA-Z0-9!#$%&'*+.^_`|~-]+"
        let quoted = #""(?:[^"\\]|\\.)*""#
        let blanks = "[ \\t]*"
        let value = "(?:\(blanks)=\(blanks)(?:\(token)|\(quoted)))?"
        let pattern = "[0-9a-fA-F]+(?:\(blanks);\(blanks)\(token)\(value))*"
        guard let regex = try? Regex(pattern) else { return false }
        return line.wholeMatch(of: regex.matchingSemantics(.unicodeScalar)) != nil
    }

    private func version(_ text: String) throws -> String {
        let scalars = Array(text.unicodeScalars)
        let isWellFormed =
            scalars.count == 8 && text.hasPrefix("HTTP/") && Self.digits.contains(scalars[5])
            && scalars[6] == "." && Self.digits.contains(scalars[7])
        try require(isWellFormed)
        try require(text == "HTTP/1.1" || text == "HTTP/1.0", 505)
        return String(text.suffix(3))
    }

    private func target(
        _ target: String, method: String
    ) throws -> (path: String, authority: String?) {
        if method == "CONNECT" {
            let port = target.unicodeScalars.reversed().prefix(while: Self.digits.contains)
            let host = target.unicodeScalars.dropLast(port.count + 1)
            try require(isAuthority(target) && !port.isEmpty && !host.isEmpty)
            try require(target.unicodeScalars.dropLast(port.count).last == ":")
            throw Refusal(status: 501)
        }
        if target == "*" {
            try require(method == "OPTIONS")
            return ("*", nil)
        }
        if target.unicodeScalars.first == "/" {
            try checkPath(target)
            return (target, nil)
        }
        let lower = target.lowercased()
        guard let prefix = ["http://", "https://"].first(where: lower.hasPrefix) else {
            throw Refusal(status: 400)
        }
        let rest = target.unicodeScalars.dropFirst(prefix.count)
        let authority = String(rest.prefix { $0 != "/" && $0 != "?" })
        try require(isAuthority(authority) && !authority.isEmpty && !authority.hasPrefix(":"))
        let path = String(rest.dropFirst(authority.unicodeScalars.count))
        if path.isEmpty { return (method == "OPTIONS" ? "*" : "/", authority) }
        let full = path.hasPrefix("/") ? path : "/" + path
        try checkPath(full)
        return (full, authority)
    }

    private func checkPath(_ text: String) throws {
        let parts = text.unicodeScalars.split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        try require(parts[0].allSatisfy(Self.path.contains))
        for segment in parts[0].split(separator: "/") {
            let bytes = try decoded(String(segment))
            try require(!bytes.contains(0) && String(validating: bytes, as: UTF8.self) != nil)
        }
        if parts.count == 2 {
            try require(parts[1].allSatisfy(Self.query.contains))
        }
    }

    private func decoded(_ text: String) throws -> [UInt8] {
        let parts = text.unicodeScalars.split(separator: "%", omittingEmptySubsequences: false)
        var bytes = Array(String(parts[0]).utf8)
        for part in parts.dropFirst() {
            let code = part.prefix(2)
            try require(code.count == 2 && code.allSatisfy(Self.hex.contains))
            bytes.append(UInt8(String(code), radix: 16)!)
            bytes += Array(String(part.dropFirst(2)).utf8)
        }
        return bytes
    }

    private func isAuthority(_ text: String) -> Bool {
        let name = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
        let literal = "\\[(?:[0-9A-Fa-f:.]+|[vV][A-Za-z0-9._~!$&'()*+,;=:-]*)\\]"
        let pattern = "(?:\(name)|\(literal))(?::([0-9]*))?"
        guard let regex = try? Regex(pattern, as: AnyRegexOutput.self),
            let match = text.wholeMatch(of: regex.matchingSemantics(.unicodeScalar))
        else { return false }
        let port = match.output[1].substring.map { $0.drop { $0 == "0" } } ?? ""
        return port.isEmpty || port.count < 6 && Int(port)! <= 65_535
    }

    private func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy(Self.token.contains)
    }

    private func blanksTrimmed(_ text: String) -> String {
        var scalars = text.unicodeScalars[...]
        while scalars.first == " " || scalars.first == "\t" { scalars.removeFirst() }
        while scalars.last == " " || scalars.last == "\t" { scalars.removeLast() }
        return String(scalars)
    }

    private func scalars(_ part: some Sequence<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: part)
        return String(view)
    }
}
