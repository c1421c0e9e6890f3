/// The place where a value was written.
enum Origin: Sendable, Equatable {
    case file(path: String, line: Int)
    case environment(variable: String)
    /// A `--set`, or an option that is short for one.
    case option(String)
}

extension Origin: CustomStringConvertible {
    var description: String {
        switch self {
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let variable): variable
        case .option(let name): name
        }
    }
}

/// One error in the configuration, as one line.
struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
    let description: String

    /// Creates an error of a whole source, such as a file that can't be read.
    init(_ place: String, _ problem: String) {
        description = oneLine("\(place): \(problem)", charactersMax: 1_000)
    }

    init(_ origin: Origin, key: String, _ problem: String) {
        self.init("\(origin): \(key)", problem)
    }

    /// Creates the error for a value that its key doesn't accept.
    init(_ origin: Origin, key: Key, text: String, _ rejection: Rejection) {
        let shown = oneLine(key.shown(text), charactersMax: 200)
        self.init(
            origin, key: key.name,
            "\(shown) is \(rejection.problem); allowed: \(key.accepted)")
    }

    init(_ origin: Origin, unknownKey name: String) {
        let hint = nearest(to: name, among: Schema.keys.map(\.name))
        self.init(origin, key: name, "unknown key" + Self.question(hint))
    }

    init(_ origin: Origin, unknownSection name: String) {
        let hint = nearest(to: name, among: Schema.sections.sorted())
        self.init(origin, key: name, "unknown section" + Self.question(hint))
    }

    init(unknownVariable name: String) {
        // Environment variables fold to the same letters as their keys.
        let hint = nearest(
            to: String(name.dropFirst("APUS_".count)), among: Schema.keys.map(\.name))
        let variable = hint.flatMap(Schema.key(named:))?.environmentVariable
        self.init(name, "unknown environment variable" + Self.question(variable))
    }

    private static func question(_ hint: String?) -> String {
        hint.map { "; did you mean \($0)?" } ?? ""
    }
}

/// Returns `text` with control characters escaped, cut to a readable length.
private func oneLine(_ text: String, charactersMax: Int) -> String {
    let scalars = text.unicodeScalars.prefix(charactersMax).map { scalar in
        scalar.properties.generalCategory == .control
            ? scalar.escaped(asASCII: true) : String(scalar)
    }
    return scalars.joined() + (text.unicodeScalars.count > charactersMax ? "…" : "")
}

/// All errors in the configuration; never empty.
struct ConfigurationFaults: Error, CustomStringConvertible {
    let faults: [Fault]

    var description: String {
        let count = faults.count == 1 ? "1 error" : "\(faults.count) errors"
        return (["apus: \(count) in the configuration"] + faults.map { "  \($0)" })
            .joined(separator: "\n")
    }
}
