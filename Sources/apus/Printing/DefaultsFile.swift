extension Schema {
    /// The shipped `config/apus.yaml`: every key with its default and a comment.
    static var defaultsFile: String {
        var lines = [
            "# The configuration of apus: every key at its default.",
            "#",
            "# \"apus config defaults\" prints this file. \"apus config check --config FILE\" checks",
            "# a copy. docs/configuration.md explains how configuration works.",
            "#",
            "# A key can be set in three places. The later ones win:",
            "#   1. a file such as this one   apus serve --config FILE",
            "#   2. the environment           APUS_LIMITS_MESSAGE_MAX=64KiB",
            "#   3. the command line          --set limits.message.max=64KiB",
            "# An empty variable counts as unset. To set an empty value, use the file or --set KEY=.",
            "#",
            "# A size is a whole number of bytes, or one with KiB, MiB or GiB. A duration is a whole",
            "# number with ms, s, m, h or d. Lists are separated by commas, or YAML lists. A reload reads",
            "# all keys again; docs/reload.md says which of them need a restart.",
        ]
        var open: [Substring] = []
        for key in keys {
            let path = key.name.split(separator: ".")
            let sections = Array(path.dropLast())
            var depth = zip(open, sections).prefix { $0 == $1 }.count
            if depth == 0 { lines.append("") }
            while depth < sections.count {
                lines.append("\(indentation(depth))\(sections[depth]):")
                depth += 1
            }
            open = sections
            let comment = indentation(depth) + "# "
            let texts = [key.summary.filter { $0 != "`" }, "Allowed: \(key.accepted)."]
            lines += texts.flatMap { wrapped($0, width: columnsMax - comment.count) }
                .map { comment + $0 }
            lines.append("\(indentation(depth))\(path[depth]): \(yamlScalar(key.initial))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A table of all keys in Markdown.
    static var markdownTable: String {
        let rows = keys.map { key in
            let initial = key.initial.isEmpty ? "empty" : "`\(key.initial)`"
            // Markdown would turn URLs into links.
            let allowed = key.accepted.contains("://") ? "`\(key.accepted)`" : key.accepted
            let cells = [
                "`\(key.name)`", initial, allowed, key.effect.rawValue, key.summary,
            ]
            return "| \(cells.joined(separator: " | ")) |"
        }
        let head = ["| key | default | allowed | reload | meaning |", "|---|---|---|---|---|"]
        return (head + rows).joined(separator: "\n") + "\n"
    }
}

/// The maximum columns of a line in the file.
private let columnsMax = 100

/// Wraps a text into lines of up to `width` characters.
private func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
        if let last = lines.last, last.count + 1 + word.count <= width {
            lines[lines.count - 1] = "\(last) \(word)"
        } else {
            lines.append(String(word))
        }
    }
    return lines
}

private func indentation(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

/// Returns a text as a YAML scalar. A colon at its end would make it a key.
private func yamlScalar(_ text: String) -> String {
    text.isEmpty || text.last == ":" ? "\"\(text)\"" : text
}
