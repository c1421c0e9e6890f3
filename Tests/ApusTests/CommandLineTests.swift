import ArgumentParser
import Foundation
import Testing
import WebSocketServer
import LiveTesting

@testable import apus

@Suite("The command line")
struct CommandLineTests {
    /// Runs the built program, which is in the folder of the tests.
    private func apus(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, output: String, errors: String) {
        let program = URL(filePath: CommandLine.arguments[0])
            .deletingLastPathComponent().appending(path: "apus")
        let process = try ChildProcess(program.path, arguments, environment: environment)
        let (output, errors) = process.readAll()
        return (process.wait(), output, errors)
    }

    @Test("The version is printed")
    func version() throws {
        #expect(try apus(["--version"]) == (0, Version.report() + "\n", ""))
    }

    @Test("The help has examples")
    func help() throws {
        let loads = ["echo", "fanout", "idle", "connect"].map { ["bench", $0, "ws://host/"] }
        let commands =
            [
                [], ["serve"], ["connect", "ws://host/"], ["config"], ["users"], ["bench"],
                ["config", "check"], ["config", "defaults"],
                ["token", "--sub", "ada"], ["users", "add", "ada"], ["users", "remove", "ada"],
                ["users", "list"], ["bench", "compare"],
            ] + loads
        for command in commands {
            let message = Apus.helpMessage(for: try type(of: Apus.parseAsRoot(command)))
            #expect(message.contains("EXAMPLES:"), "\(command)")
            #expect(message.contains("apus "), "\(command)")
        }
        #expect(Apus.helpMessage().contains("--generate-completion-script"))
    }

    @Test("config defaults prints the file or the table")
    func defaults() throws {
        #expect(try apus(["config", "defaults"]) == (0, Schema.defaultsFile, ""))
        #expect(try apus(["config", "defaults", "--markdown"]) == (0, Schema.markdownTable, ""))
    }

    @Test("config check shows the values that differ from the defaults, and their sources")
    func check() throws {
        let path = temporaryFile("limits:\n  message:\n    max: 65536\nlog: { level: info }\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let result = try apus(
            ["config", "check", "--config", path, "--set", "drain.spread=0s"],
            environment: ["APUS_SERVER_PORT": "9000"])
        #expect(result.status == 0)
        #expect(
            result.output == """
                configuration is valid
                server.port = 9000 (default 8080, set by APUS_SERVER_PORT)
                limits.message.max = 64KiB (default 1MiB, set by \(path):3)
                drain.spread = 0s (default 10s, set by --set)

                """)
    }

    @Test("Errors go to standard error with exit status 78, and nothing to standard output")
    func faultyConfiguration() throws {
        for command in [["config", "check"], ["serve"]] {
            let arguments = command + ["--set", "server.port=x", "--set", "drain.spread=1"]
            let result = try apus(arguments)
            #expect(result.status == 78)
            #expect(result.output == "")
            #expect(result.errors.hasPrefix("apus: 2 errors in the configuration\n  --set: "))
        }
        let shorthand = try apus(["serve", "--port", "70000"])
        #expect(shorthand.status == 78)
        #expect(shorthand.errors.contains("  --port: server.port: 70000 is out of range"))
    }

    @Test(
        "An invalid command line has exit status 64",
        arguments: [
            ["serve", "--nonsense"], ["nonsense"], ["serve", "--set", "no-equals"],
            ["serve", "--set", "=value"], ["serve", "--config"], ["token"],
            ["token", "--sub", ""], ["token", "--sub", "ada", "--lifetime", "1"],
            ["users", "add"], ["users", "remove"], ["bench", "echo"],
            ["bench", "echo", "http://host/"], ["bench", "echo", "ws://host/", "--rate", "0"],
            ["bench", "echo", "ws://host/", "--size", "1KB"],
            ["bench", "echo", "ws://host/", "--json", "--markdown"],
            ["bench", "echo", "ws://host/", "--payload", "file:/nonexistent"],
            ["bench", "compare", "--size", "128*9"],
        ])
    func usage(_ arguments: [String]) {
        do {
            _ = try Apus.parseAsRoot(arguments)
            Issue.record("accepted")
        } catch {
            #expect(Apus.exitCode(for: error).rawValue == 64)
        }
    }

    @Test(
        "an unknown command is named, with the one that was probably meant",
        arguments: [
            (["serv"], "serv", "apus", "serve"), (["SERVE"], "SERVE", "apus", "serve"),
            (["bench", "comprae"], "comprae", "apus bench", "compare"),
            (["config", "chek", "--config", "x"], "chek", "apus config", "check"),
            (["help", "conect"], "conect", "apus", "connect"),
            (["users", "frobnicate"], "frobnicate", "apus users", nil),
        ] as [([String], String, String, String?)])
    func unknownCommand(
        _ arguments: [String], _ name: String, _ parent: String, _ suggestion: String?
    ) throws {
        let found = try #require(UnknownCommand.find(in: arguments))
        #expect(found.name == name && found.parent == parent && found.suggestion == suggestion)
        let result = try apus(arguments)
        #expect(result.status == 64 && result.output == "")
        #expect(result.errors.contains("'\(parent)' has no command '\(name)'; "))
        #expect(result.errors.contains(suggestion.map { "did you mean \($0)?" } ?? "add, remove"))
    }

    @Test(
        "what follows a command is not taken for one",
        arguments: [
            [], ["--help"], ["serve", "x"], ["help"], ["help", "bench", "echo"], ["bench"],
            ["bench", "echo", "ws://host/"], ["--config", "serve"],
        ])
    func knownCommand(_ arguments: [String]) {
        #expect(UnknownCommand.find(in: arguments) == nil)
    }

    @Test("The shorthands set their keys and take precedence over --set")
    func shorthands() throws {
        let command = try #require(
            try Apus.parseAsRoot([
                "serve", "--host", "::1", "--port", "0", "--loops", "3", "--tools",
                "--set", "server.port=1", "--set", "server.backlog=a=b",
            ]) as? ServeCommand)
        let overrides = command.sources.overrides
        #expect(
            overrides == [
                Override(option: "--set", key: "server.port", text: "1"),
                Override(option: "--set", key: "server.backlog", text: "a=b"),
                Override(option: "--host", key: "server.host", text: "::1"),
                Override(option: "--port", key: "server.port", text: "0"),
                Override(option: "--loops", key: "server.loops", text: "3"),
                Override(option: "--tools", key: "server.tools", text: "true"),
            ])
        let settings = try load(
            Sources(overrides: overrides.filter { $0.key != "server.backlog" })
        ).settings
        #expect(settings.server.addresses == [.hostname("::1", port: 0)])
        #expect(settings.server.loops == 3)
        #expect(settings.tools)
    }
}
