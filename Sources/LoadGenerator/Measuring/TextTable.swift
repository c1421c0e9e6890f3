/// A table for terminals, or for Markdown.
package struct TextTable: Sendable {
    package var columns: [String]
    package var rows: [[String]] = []
    /// The number of columns at the front that hold words and are left-aligned.
    package var words = 1

    package init(_ columns: [String], words: Int = 1) {
        self.columns = columns
        self.words = words
    }

    package mutating func add(_ row: [String]) {
        precondition(row.count == columns.count)
        rows.append(row)
    }

    /// The text in columns, two spaces apart.
    package var text: String {
        let widths = columns.indices.map { index in
            ([columns] + rows).map { $0[index].count }.max() ?? 0
        }
        let lines = ([columns] + rows).map { row in
            row.indices.map { index in
                let pad = String(repeating: " ", count: widths[index] - row[index].count)
                return index < words ? row[index] + pad : pad + row[index]
            }.joined(separator: "  ").trimmingEnd()
        }
        return lines.joined(separator: "\n") + "\n"
    }

    package var markdown: String {
        let rule = columns.indices.map { $0 < words ? "---" : "---:" }
        return ([columns, rule] + rows)
            .map { "| " + $0.map { $0.escapedForMarkdown }.joined(separator: " | ") + " |\n" }
            .joined()
    }
}

extension String {
    fileprivate func trimmingEnd() -> String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    fileprivate var escapedForMarkdown: String {
        split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
