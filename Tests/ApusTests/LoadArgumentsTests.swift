import ArgumentParser
import Foundation
import LoadGenerator
import Testing

@testable import apus

@Suite("The messages in the arguments of a load")
struct LoadArgumentsTests {
    private func plan(_ arguments: String...) throws -> LoadPlan {
        let words = ["bench", "echo", "ws://192.0.2.1/"] + arguments
        let command = try #require(try Apus.parseAsRoot(words) as? BenchEchoCommand)
        return try command.load.plan(.echo) { command.messages.apply(to: &$0) }
    }

    private func problem(_ arguments: String...) -> String {
        do {
            _ = try Apus.parseAsRoot(["bench", "echo", "ws://192.0.2.1/"] + arguments)
            return ""
        } catch {
            return Apus.message(for: error)
        }
    }

    @Test("Sizes have weights, by default the same")
    func weights() throws {
        #expect(try plan().sizes == SizeMix(128))
        #expect(try plan("--size", "128*3,4KiB").sizes?.turn == [128, 128, 4_096, 128])
        #expect(try plan("--size", "100,1KiB").sizes?.turn == [100, 1_024])
        #expect(try plan("--size", "1*1000").sizes?.turn.count == 1_000)
    }

    @Test(
        "An invalid size or weight is reported with the allowed values",
        arguments: [
            ("128*0", "128*0 is out of range"), ("128*1001", "128*1001 is out of range"),
            ("128*", "128* is not a whole number"), ("*9", "*9 is not a size"),
            ("1*2*3", "1*2*3 is more than a size and a weight"), ("128,", " is not a size"),
            ("65MiB*2", "65MiB*2 is out of range"), ("1*600,2*401", "are 1001 together"),
            ("64MiB*17", "are 1140850688 bytes together"),
        ])
    func wrongWeights(_ sizes: String, _ words: String) {
        let problem = problem("--size", sizes)
        #expect(problem.contains(words) && problem.contains("allowed: "), "\(problem)")
    }

    @Test("The lines of a file are complete unless sizes are given")
    func file() throws {
        let path = temporaryFile("{\"a\":1}\n{\"b\":2}\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let lines = try plan("--payload", "file:\(path)")
        #expect(lines.sizes == nil && lines.lines?.lines.count == 2)
        let slices = try plan("--payload", "file:\(path)", "--size", "3")
        #expect(slices.sizes == SizeMix(3) && slices.lines == nil)
    }

    @Test("A file without lines is split into slices of the default size")
    func oneLine() throws {
        let path = temporaryFile("no line's end")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try plan("--payload", "file:\(path)").sizes == SizeMix(128))
    }

    @Test("A payload that can't be read is reported with the reason")
    func noPayload() {
        let empty = temporaryFile("")
        defer { try? FileManager.default.removeItem(atPath: empty) }
        let expected = [
            ("file:/nonexistent", "is not readable (No such file or directory)"),
            ("file:/", "is not readable (Is a directory)"), ("file:\(empty)", "is an empty file"),
            ("file:", "is without a path"), ("xml", "xml is no kind of payload"),
        ]
        for (argument, words) in expected {
            let problem = problem("--payload", argument)
            #expect(problem.contains(words), "\(problem)")
            #expect(problem.contains("allowed: json, chat, ticks, logs, binary, or file:PATH"))
        }
    }

    @Test("The prefix of replies is text, and empty by default")
    func replyPrefix() throws {
        #expect(try plan().replyPrefix == [])
        #expect(try plan("--reply-prefix", "größer: ").replyPrefix == Array("größer: ".utf8))
    }

    @Test("Publishers may have a path of their own, which must be valid in a URL")
    func publishPath() throws {
        let words = ["bench", "fanout", "ws://192.0.2.1/subscribe", "--publish-path"]
        let command = try #require(
            try Apus.parseAsRoot(words + ["/publish?id=1"]) as? BenchFanoutCommand)
        #expect(command.publishPath == "/publish?id=1")
        for path in ["publish", "", "/a b", "/a#b", "/a\r\nX: 1"] {
            #expect {
                try Apus.parseAsRoot(words + [path])
            } throws: {
                Apus.message(for: $0).contains("is not a path; allowed: ")
            }
        }
    }

    @Test("A load with pauses between its messages accepts no rate")
    func idle() throws {
        let arguments = ["bench", "idle", "ws://192.0.2.1/", "--rate", "5"]
        #expect(throws: (any Error).self) { try Apus.parseAsRoot(arguments) }
        #expect(try Apus.parseAsRoot(Array(arguments.dropLast(2))) is BenchIdleCommand)
    }

    @Test(
        "The options of a comparison must fit the kind of its servers",
        arguments: [
            (["--pid", "1"], "need the URL of a running server"),
            (["--insecure"], "need the URL of a running server"),
            (["ws://192.0.2.1/", "--set", "a=b"], "--set configures the servers that are started"),
            (["http://192.0.2.1/"], "ws, wss or ws+unix"),
            (["128"], "'128' is not a URL"),
        ])
    func comparing(_ arguments: [String], _ words: String) {
        #expect {
            try Apus.parseAsRoot(["bench", "compare"] + arguments)
        } throws: {
            Apus.message(for: $0).contains(words)
        }
    }
}
