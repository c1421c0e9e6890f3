import HTTPProtocol
import Testing

@testable import RealtimeApp

/// Valid JSON, and the positions of errors.
@Suite struct JSONReaderTests {
    @Test(
        "A text is parsed",
        arguments: [
            ("null", .null), (" true\n", .bool(true)), ("false", .bool(false)),
            ("0", .number("0")), ("-0.50e+3", .number("-0.50e+3")), ("1E5", .number("1E5")),
            ("92233720368547758070", .number("92233720368547758070")),
            ("\"\"", .string("")), ("\"\u{7F}é😀\"", .string("\u{7F}é😀")),
            (#""\"\\\/\b\f\n\r\t\u00e9\u0000""#, .string("\"\\/\u{08}\u{0C}\n\r\té\0")),
            (#""\uD83D\uDE00""#, .string("😀")), (#""\ud800""#, .brokenString),
            (#""\udc00""#, .brokenString), (#""\ud800\u0041""#, .brokenString),
            (#""\ud800\ud83d\ude00""#, .brokenString), (#""\ud800x""#, .brokenString),
            ("[]", .array([])), ("[1,[ ]]", .array([.number("1"), .array([])])),
            (#"{"a":1,"a":{"b":null}}"#, .object(["a": .object(["b": .null])])),
            ("\u{FEFF}{ }", .object([:])), (#"{"\ud800":1}"#, .object(["\u{FFFD}": .number("1")])),
        ] as [(String, JSONValue)])
    func valid(text: String, value: JSONValue) throws {
        #expect(try JSONReader.read([UInt8](text.utf8)) == value)
    }

    @Test(
        "An error has its position in characters, and what was expected",
        arguments: [
            ("", 0, "Expecting value"), (" ", 1, "Expecting value"), ("nul", 0, "Expecting value"),
            ("NaN", 0, "Expecting value"), ("-", 0, "Expecting value"),
            ("+1", 0, "Expecting value"),
            ("[1,]", 3, "Expecting value"), ("[1 2]", 3, "Expecting ',' delimiter"),
            ("01", 1, "Extra data"), ("1.", 1, "Extra data"), ("1e+", 1, "Extra data"),
            ("{", 1, "Expecting property name enclosed in double quotes"),
            ("{\"é\":1,}", 7, "Expecting property name enclosed in double quotes"),
            ("{\"a\" 1}", 5, "Expecting ':' delimiter"), ("{\"a\":", 5, "Expecting value"),
            ("{\"a\":1", 6, "Expecting ',' delimiter"),
            ("\u{FEFF}[", 1, "Expecting value"),
            ("[\"abc", 1, "Unterminated string starting at"),
            ("\"abc\\", 0, "Unterminated string starting at"),
            ("\"a\nb\"", 2, "Invalid control character at"), ("\"\\x\"", 1, "Invalid \\escape"),
            ("\"\\u12g4\"", 2, "Invalid \\uXXXX escape"), ("\"\\u12", 2, "Invalid \\uXXXX escape"),
            ("\"\\ud800\\u12\"", 8, "Invalid \\uXXXX escape"),
            (String(repeating: "[", count: 101), 100, "Nested too deeply"),
        ])
    func invalid(text: String, position: Int, expected: String) {
        let fault = #expect(throws: JSONFault.self) { try JSONReader.read([UInt8](text.utf8)) }
        #expect(fault == JSONFault(position: position, expected: expected))
    }

    @Test(
        "Invalid UTF-8 is an error, with its position too",
        arguments: [
            ([0x22, 0xC3, 0xA9, 0xFF, 0x22], 2), ([0x22, 0xC3], 1), ([0x22, 0xED, 0xA0, 0x80], 1),
            ([0xFF, 0xFE, 0x31, 0x00], 0),
        ] as [([UInt8], Int)])
    func encoding(bytes: [UInt8], position: Int) {
        let fault = #expect(throws: JSONFault.self) { try JSONReader.read(bytes) }
        #expect(fault == JSONFault(position: position, expected: "Invalid UTF-8"))
    }

    @Test("A hundred nested arrays are parsed") func deep() throws {
        let text = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: Never.self) { try JSONReader.read([UInt8](text.utf8)) }
    }
}
