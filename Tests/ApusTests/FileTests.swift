import Foundation
import Logging
import Testing
import WebSocketServer

@testable import apus

@Suite("The configuration file")
struct FileTests {
    /// The file `config/apus.yaml` of the repository.
    private var shippedFile: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "config/apus.yaml").path
    }

    @Test("The shipped file is the output of config defaults")
    func shipped() throws {
        let contents = try String(contentsOfFile: shippedFile, encoding: .utf8)
        #expect(contents == Schema.defaultsFile)
    }

    @Test("The shipped file sets every key to its default")
    func shippedIsDefault() throws {
        let loaded = try load(Sources(file: shippedFile))
        let defaults = try load(Sources())
        #expect(Set(loaded.origins.keys) == Set(Schema.keys.map(\.name)))
        #expect(String(reflecting: loaded.settings) == String(reflecting: defaults.settings))
        #expect(report(on: loaded) == "configuration is valid\nevery key has its default")
    }

    @Test("The shipped file has a comment of at most 100 columns above each key")
    func comments() throws {
        let file = Schema.defaultsFile
        #expect(file.split(separator: "\n").allSatisfy { $0.count <= 100 })
        // Each comment as one line, however it is wrapped.
        let unwrapped = file.replacing(#/\n *# /#, with: " ")
        for key in Schema.keys {
            let word = key.name.split(separator: ".").last ?? ""
            let summary = key.summary.filter { $0 != "`" }
            let comment = unwrapped.ranges(of: " \(summary) Allowed: \(key.accepted).\n")
            #expect(comment.count == 1, "\(key.name)")
            let below = comment.first.map { unwrapped[$0.upperBound...].drop { $0 == " " } }
            #expect(below?.hasPrefix("\(word):") == true, "\(key.name)")
        }
    }

    @Test("The Markdown table has a row for each key")
    func markdown() {
        let rows = Schema.markdownTable.split(separator: "\n")
        #expect(rows.count == Schema.keys.count + 2)
        #expect(rows.allSatisfy { row in row.count { $0 == "|" } == 6 })
    }

    @Test(
        "An empty file, and sections without keys, are valid",
        arguments: ["", "\n# nothing\n", "---\n", "limits:\nserver: ~\n", "limits: {}\n"])
    func empty(_ yaml: String) {
        #expect(faults(yaml: yaml) == [])
    }

    @Test("Keys with dots, quotes and flow style are parsed")
    func styles() throws {
        let loaded = try load(
            yaml: "limits.fragments.max: 7\nlog: { level: \"debug\" }\nserver: {socket: }\n")
        #expect(loaded.settings.server.limits.fragmentsMax == 7)
        #expect(loaded.settings.logLevel == .debug)
    }

    @Test(
        "Invalid content of a file is an error with its line",
        arguments: [
            ("server:\n  port: [1, 2]\n", "FILE:2: server.port: takes one value"),
            ("server:\n  port: { a: 1 }\n", "FILE:2: server.port: takes one value"),
            ("server: 8080\n", "FILE:1: server: a section"),
            ("limits:\n  - 1\n", "FILE:1: limits: a section"),
            ("server: { port: }\n", "FILE:1: server.port: \"\" is not a whole number"),
            ("- a\n", "FILE: not sections with keys"),
            ("hello\n", "FILE: not sections with keys"),
            ("? [a]\n: 1\n", "FILE:1: top level: a key that is not a word"),
            ("log.level: info\nlog: { level: debug }\n", "FILE:2: log.level: given twice"),
            ("log:\n  level: info\n  level: info\n", "FILE:2: not valid YAML: given twice: level"),
            ("log: [\n", "FILE:2: not valid YAML: "),
            (
                "log:\n\tlevel: info\n",
                "FILE:2: not valid YAML: found character that cannot start any token while "
                    + "scanning for the next token; indent with spaces, not tabs"
            ),
            ("a: 1\n---\nb: 2\n", "FILE:2: not valid YAML: "),
            ("log: *missing\n", "FILE:1: not valid YAML: found undefined alias"),
        ])
    func malformed(_ yaml: String, _ expected: String) throws {
        let lines = faults(yaml: yaml)
        #expect(lines.count == 1, "\(lines)")
        #expect(try #require(lines.first).hasPrefix(expected), "\(lines)")
    }

    @Test("An unreadable file is an error with its path")
    func unreadable() {
        #expect(throws: ConfigurationFaults.self) {
            try load(Sources(file: "/nonexistent/apus.yaml"))
        }
        #expect(
            ConfigurationFile(path: "/nonexistent/apus.yaml").faults.map(\.description)
                == ["/nonexistent/apus.yaml: can't be read: No such file or directory"])
        #expect(ConfigurationFile(path: "/tmp").faults.count == 1)
    }

    @Test("A file beyond the size limit is an error, one of that size isn't")
    func oversized() {
        let comment = "#" + String(repeating: "x", count: ConfigurationFile.bytesMax - 1)
        #expect(faults(yaml: comment) == [])
        #expect(faults(yaml: comment + "x") == ["FILE: larger than 1MiB"])
    }

    @Test("Invalid UTF-8 is an error")
    func notUTF8() throws {
        let path = temporaryFile("")
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data([0x61, 0x3A, 0x20, 0xFF, 0x0A]).write(to: URL(filePath: path))
        let lines = ConfigurationFile(path: path).faults.map(\.description)
        #expect(lines == ["\(path): not valid YAML: not UTF-8"])
    }
}
