/// A route as the documents name it.
struct DescribedRoute {
    /// A segment of a path.
    enum Segment: Hashable {
        case literal(String)
        case parameter(String, isInteger: Bool)
    }

    /// The description of a route of either kind; `nil` if it has none.
    enum Description {
        case request(method: String, RouteDescription?)
        case webSocket(WebSocketDescription?)
    }

    let segments: [Segment]
    let description: Description

    /// The path with its parameters in braces, such as `/users/{id}`.
    var path: String {
        segments.isEmpty
            ? "/"
            : segments.map { segment in
                switch segment {
                case .literal(let text): "/\(text)"
                case .parameter(let name, _): "/{\(name)}"
                }
            }.joined()
    }

    /// The path without the names of its parameters: routes whose paths differ in nothing else are
    /// one path in a document.
    var shape: [String?] {
        segments.map { if case .literal(let text) = $0 { text } else { nil } }
    }

    /// The words of the path, for the names of its parts: `users_id`.
    var words: String {
        let words = segments.map { segment in
            switch segment {
            case .literal(let text):
                String(text.unicodeScalars.map { $0.isWord ? Character($0) : "_" })
            case .parameter(let name, _): name
            }
        }
        return words.isEmpty ? "root" : words.joined(separator: "_")
    }

    /// The names of the parameters, from the left.
    var parameterNames: [String] {
        segments.compactMap { if case .parameter(let name, _) = $0 { name } else { nil } }
    }
}

extension Unicode.Scalar {
    /// Whether it may be in the name of a part of a document.
    fileprivate var isWord: Bool {
        isASCII && (properties.isAlphabetic || ("0"..."9").contains(self)) || self == "_"
    }
}

/// Names of parts of a document, each given once.
struct UniqueNames {
    private var given: Set<String> = []

    /// Returns the name, with a number at its end if it was given before.
    mutating func name(_ wanted: String) -> String {
        var name = wanted
        var number = 2
        while !given.insert(name).inserted {
            name = "\(wanted)_\(number)"
            number += 1
        }
        return name
    }
}
