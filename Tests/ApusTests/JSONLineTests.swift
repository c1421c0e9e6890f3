import Foundation
import Logging
import Testing

@testable import apus

@Suite("Log lines as JSON")
struct JSONLineTests {
    private func encode(
        _ message: String = "it happened", _ metadata: Logger.Metadata? = nil,
        of handler: Logger.Metadata = [:], error: (any Error)? = nil
    ) -> String {
        let event = LogEvent(
            level: .notice, message: "\(message)", error: error, metadata: metadata,
            source: "tests", file: "", function: "", line: 1)
        let bytes = JSONLine.encode(
            event, label: "apus", metadata: handler,
            at: 951_782_400_007_999_999)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Parses a line, which must be one object.
    private func parsed(_ line: String) throws -> [String: Any] {
        #expect(line.last == "\n" && line.count { $0.isNewline } == 1)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(object as? [String: Any])
    }

    @Test("A line has the time in UTC, level, logger, source and message, then sorted fields")
    func form() {
        let expected = """
            {"time":"2000-02-29T00:00:00.007Z","level":"notice","logger":"apus",\
            "source":"tests","message":"it happened"
            """
        #expect(encode() == expected + "}\n")
        #expect(
            encode("it happened", ["b": "2", "a": "1"], of: ["b": "0", "z": "9"])
                == expected + #","a":"1","b":"2","z":"9"}"# + "\n")
    }

    @Test("Numbers and booleans stay what they are, and text that looks like one stays text")
    func types() throws {
        let line = encode(
            "m",
            [
                "int": .stringConvertible(-7), "big": .stringConvertible(UInt64.max),
                "double": .stringConvertible(1.5), "tiny": .stringConvertible(1e-9),
                "infinite": .stringConvertible(Double.infinity),
                "nan": .stringConvertible(Double.nan), "flag": .stringConvertible(true),
                "text": "7", "duration": .stringConvertible(Duration.seconds(1)),
            ])
        for field in [
            #""int":-7"#, #""big":18446744073709551615"#, #""double":1.5"#, #""tiny":1e-09"#,
            #""infinite":"inf""#, #""nan":"nan""#, #""flag":true"#, #""text":"7""#,
        ] { #expect(line.contains(field)) }
        _ = try parsed(line)
    }

    @Test("A field with the name of one of the line's own gets an underscore")
    func ownNames() throws {
        let fields = try parsed(
            encode("m", ["time": "t", "time_": "u", "level": "l", "message": "x", "a": "b"]))
        #expect(fields["message"] as? String == "m" && fields["message_"] as? String == "x")
        #expect(fields["level"] as? String == "notice" && fields["level_"] as? String == "l")
        #expect(fields["time_"] as? String == "u" && fields["time__"] as? String == "t")
    }

    @Test("An error is logged with its type")
    func error() throws {
        struct Broken: Error, CustomStringConvertible { let description = "broken" }
        let fields = try parsed(encode(error: Broken()))
        #expect(fields["error.message"] as? String == "broken" && fields["error.type"] != nil)
    }

    @Test(
        "Any text comes back as it was, and its line is printable",
        arguments: [
            "", "plain", #"say "x" \ {},:"#, "grüße ☃ 😀", "a\r\n\tb", "\u{0}\u{1}\u{1B}[2J\u{7F}",
            "\u{85}\u{9B}\u{A0}", "\u{2028}\u{2029}\u{202E}\u{2066}\u{200F}\u{61C}",
            "\"},{\"level\":\"critical\"", "e\u{301}\u{323}",
            String(decoding: [0xC3, 0x28, 0xFF, 0xED, 0xA0, 0x80], as: UTF8.self),
        ])
    func escaping(_ text: String) throws {
        let line = encode(text, ["k": "\(text)", "\(text)x": "v"])
        let fields = try parsed(line)
        #expect((fields["message"] as? String)?.utf8.elementsEqual(text.utf8) == true)
        #expect((fields["k"] as? String)?.utf8.elementsEqual(text.utf8) == true)
        #expect(!line.dropLast().unicodeScalars.contains { $0.isRisky })
    }

    @Test("Nested fields are objects and arrays, up to a depth")
    func nested() throws {
        let fields = try parsed(
            encode("m", ["k\n": ["x": .array(["1\n2", .stringConvertible(3)])]]))
        let inner = try #require(fields["k\n"] as? [String: [Any]])
        #expect(inner["x"]?.first as? String == "1\n2" && inner["x"]?.last as? Int == 3)
        var deep: Logger.MetadataValue = "end"
        for _ in 0..<1_000 { deep = .array([deep]) }
        _ = try parsed(encode("m", ["deep": deep]))
        let wide = Logger.MetadataValue.array(
            (0..<10_000).map { .stringConvertible($0) })
        let line = encode("m", ["wide": wide])
        #expect(line.utf8.count < 1_300)
        _ = try parsed(line)
    }

    @Test(
        "A long text is cut between characters, with an ellipsis",
        arguments: ["x", "\u{1}", "é", "☃", "😀", "\"", "\\", "\u{202E}"])
    func longText(_ character: String) throws {
        let fields = try parsed(
            encode("m", ["k": "\(String(repeating: character, count: 100_000))", "z": "1"]))
        let text = try #require(fields["k"] as? String)
        #expect(text.hasSuffix("…") && text.hasPrefix(character) && !text.contains("\u{FFFD}"))
        #expect(fields["z"] as? String == "1")
    }

    @Test("A line has at most 8 KiB, is valid, and says that fields are missing")
    func longLine() throws {
        let long = "\(String(repeating: "\u{1}", count: 900))"
        let metadata = Logger.Metadata(
            uniqueKeysWithValues: (10..<60).map { ("key\($0)", "\(long)") })
        let line = encode(String(repeating: "m", count: 2_000), metadata)
        #expect(7_000...8_192 ~= line.utf8.count)
        #expect(try parsed(line)["truncated"] as? Bool == true)
    }
}
