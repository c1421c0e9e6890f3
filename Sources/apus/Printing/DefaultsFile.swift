extension Schema {
    /// The shipped `config/apus.yaml`: every key with its default and a comment.
    static var defaultsFile: String {
        var lines = [
            "# The configuration of apus: every key, at its default. Printed by",
            "# \"apus config defaults\"; \"apus config check --config FILE\" validates a copy.",
            "#",
            "# A key can be set in three places, the later wins: in a file such as this one",
            "# (apus serve --config FILE), in the environment (APUS_LIMITS_MESSAGE_MAX=64KiB),",
            "# on the command line (--set limits.message.max=64KiB).",
            "#",
            "# Sizes are bytes, or whole numbers with KiB, MiB or GiB; durations are whole",
            "# numbers with ms, s, m, h or d. All keys are read once, when the server starts.",
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
            lines += key.notes.map { "\(indentation(depth))# \($0)" }
            lines.append("\(indentation(depth))# \(key.summary): \(key.accepted).")
            lines.append("\(indentation(depth))\(path[depth]): \(yamlScalar(key.initial))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A table of all keys in Markdown.
    static var markdownTable: String {
        let rows = keys.map { key in
            let initial = key.initial.isEmpty ? "empty" : "`\(key.initial)`"
            let cells = ["`\(key.name)`", initial, key.accepted, key.summary]
            return "| \(cells.joined(separator: " | ")) |"
        }
        let head = ["| key | default | allowed | what it is |", "|---|---|---|---|"]
        return (head + rows).joined(separator: "\n") + "\n"
    }
}

private func indentation(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

/// A colon at the end would make the text a key.
private func yamlScalar(_ text: String) -> String {
    text.isEmpty || text.last == ":" ? "\"\(text)\"" : text
}
