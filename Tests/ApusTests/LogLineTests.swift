import Foundation
import Logging
import Testing

@testable import apus

@Suite("Log lines")
struct LogLineTests {
    private func encode(
        _ message: String = "it happened", _ metadata: Logger.Metadata? = nil,
        of handler: Logger.Metadata = [:], error: (any Error)? = nil
    ) -> String {
        let event = LogEvent(
            level: .notice, message: "\(message)", error: error, metadata: metadata,
            source: "tests", file: "", function: "", line: 1)
        let bytes = LogLine.encode(event, label: "apus", metadata: handler, at: 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text after the time.
    private func rest(_ text: String) -> Substring { text.drop { $0 != " " }.dropFirst() }

    @Test("A line has time, level, label, sorted metadata, source and message")
    func form() throws {
        let text = encode("it happened", ["b": "2", "a": "1", "c": "3"], of: ["b": "0", "z": "9"])
        #expect(rest(text) == "notice apus: a=1 b=2 c=3 z=9 [tests] it happened\n")
        #expect(
            text.prefix { $0 != " " }.wholeMatch(of: #/19[67]\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}/#)
                != nil)
        #expect(rest(encode()) == "notice apus: [tests] it happened\n")
    }

    @Test("An error is logged with its type")
    func error() {
        struct Broken: Error, CustomStringConvertible { let description = "broken" }
        let text = encode(error: Broken())
        #expect(text.contains(" error.message=broken error.type="))
    }

    @Test(
        "No text in a value can look like another value or another line",
        arguments: [
            ("plain:/[]{}<>", "plain:/[]{}<>"), ("", #""""#), ("two words", #""two words""#),
            ("a=b", #""a=b""#), (#"say "x""#, #""say \"x\"""#), (#"a\b"#, #""a\\b""#),
            ("grüße ☃", #""grüße ☃""#),
            ("x\n2026 critical apus: y", #""x\n2026 critical apus: y""#),
            ("\u{0}\t\r\u{1B}[2J\u{7F}", #""\0\t\r\u{1B}[2J\u{7F}""#),
            ("\u{85}\u{9B}", #""\u{0085}\u{009B}""#),
            ("\u{2028}\u{2029}\u{202E}\u{2066}", #""\u{2028}\u{2029}\u{202E}\u{2066}""#),
        ])
    func values(_ text: String, _ expected: String) {
        #expect(rest(encode("m", ["k": "\(text)"])) == "notice apus: k=\(expected) [tests] m\n")
    }

    @Test("A message stays one line, whatever it contains")
    func message() {
        #expect(
            rest(encode("a\r\nb\u{1B}\u{2028}é"))
                == "notice apus: [tests] a\\r\\nb\\u{1B}\\u{2028}é\n")
    }

    @Test("Keys and values of nested metadata are escaped as well")
    func nested() {
        let text = encode("m", ["k\n": ["x": .array(["1\n2"])]])
        #expect(text.count { $0.isNewline } == 1)
        #expect(text.contains("k\\n="))
    }

    @Test(
        "A long value is truncated between characters, with an ellipsis",
        arguments: ["x", "\u{1}", "é", "☃", "😀", "e\u{301}", "\u{202E}"])
    func longValues(_ character: String) throws {
        let text = encode("m", ["k": "\(String(repeating: character, count: 100_000))", "z": "1"])
        let line = rest(text)
        #expect(line.hasSuffix("…\" z=1 [tests] m\n") || line.hasSuffix("… z=1 [tests] m\n"))
        #expect(1_000...1_100 ~= line.utf8.count)
        #expect(!line.contains("\u{FFFD}"))
    }

    @Test("A line has at most 8 KiB, and always contains its message")
    func longLines() {
        let long = "\(String(repeating: "v", count: 900))"
        let metadata = Logger.Metadata(
            uniqueKeysWithValues: (10..<60).map { ("key\($0)", "\(long)") })
        let text = encode(String(repeating: "m", count: 2_000), metadata)
        #expect(7_000...8_192 ~= text.utf8.count)
        #expect(text.hasSuffix("m…\n"))
        #expect(text.contains(" … [tests] mmm"))
    }

    @Test("Text that is expensive for Unicode costs no more than its bytes")
    func combining() {
        // One character of a million scalars, and one that normalization would sort.
        let marks = String(repeating: "\u{301}\u{323}", count: 500_000)
        let start = ContinuousClock.now
        for _ in 0..<20 { _ = encode("a" + marks, ["k": "\("e" + marks)"]) }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test("Loggers that share a writer have their own levels and metadata")
    func valueSemantics() {
        let log = StandardErrorLog()
        defer { log.finish() }
        var first = log.logger()
        first.logLevel = .debug
        first[metadataKey: "only-on"] = "first"
        var second = first
        second.logLevel = .error
        second[metadataKey: "only-on"] = "second"
        #expect(first.logLevel == .debug && second.logLevel == .error)
        #expect(first[metadataKey: "only-on"] == "first")
        #expect(second[metadataKey: "only-on"] == "second")
    }
}
