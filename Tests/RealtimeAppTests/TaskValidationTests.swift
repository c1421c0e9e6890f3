import Foundation
import HTTPProtocol
import Testing
import WebSocketServer

@testable import RealtimeApp

/// The validation of tasks. `Tests/Integration/test_tasks.py` compares more of it with FastAPI's
/// answers.
@Suite struct TaskValidationTests {
    private func read(
        _ body: String, type: String? = "application/json"
    ) -> Result<NewTask, ValidationFaults> {
        NewTask.read([UInt8](body.utf8), as: MediaType(type.map(ExactString.init(_:))))
    }

    private func faults(_ body: String, type: String? = "application/json") -> [String] {
        guard case .failure(let faults) = read(body, type: type) else { return [] }
        return faults.all.map { fault in
            let place = fault.loc.map {
                switch $0 {
                case .text(let text): text
                case .number(let number): "\(number)"
                }
            }
            return "\(place.joined(separator: ".")) \(fault.type)"
        }
    }

    @Test(
        "Ids are parsed from all forms of a whole number",
        arguments: [
            ("7", 7), ("-7", -7), ("7.0", 7), ("1e2", 100), ("true", 1), (#"" +7 ""#, 7),
            (#""7.00""#, 7), ("9223372036854775807", .max), (#""-9223372036854775808""#, .min),
            (#""1_000""#, 1_000), (#""-1_0_0""#, -100), (#""+1_000""#, 1_000), (#""0_1""#, 1),
            (#""007""#, 7), (#""-007""#, -7), (#""1_000.0""#, 1_000), (#""-0.0""#, 0),
            (#""\u00a07\u3000""#, 7), (#""\t\u00857\n""#, 7), (#""7.0 ""#, 7),
            (#""9_223_372_036_854_775_807""#, .max),
            (#""-\#(String(repeating: "0", count: 4_400))7""#, -7),
        ] as [(String, Int64)])
    func ids(literal: String, id: Int64) throws {
        let task = try read(#"{"id":\#(literal),"title":"t","x":[]}"#).get()
        #expect(task == NewTask(id: id, title: "t", description: nil))
    }

    @Test(
        "Invalid ids have different errors",
        arguments: [
            ("9223372036854775808", "int_parsing_size"), ("1e30", "int_parsing_size"),
            (#""-9223372036854775809""#, "int_parsing_size"), ("7.5", "int_from_float"),
            ("1e400", "finite_number"), ("null", "int_type"), ("[]", "int_type"),
            (#""""#, "int_parsing"), (#"".0""#, "int_parsing"), (#""7.""#, "int_parsing"),
            (#""7.5""#, "int_parsing"), (#""- 7""#, "int_parsing"), (#""+""#, "int_parsing"),
            (#""\ud800""#, "int_type"), (#""_1""#, "int_parsing"), (#""1_""#, "int_parsing"),
            (#""1__000""#, "int_parsing"), (#""+_1""#, "int_parsing"), (#""1_.0""#, "int_parsing"),
            (#""1.0_0""#, "int_parsing"), (#""1_000.5""#, "int_parsing"), (#""_""#, "int_parsing"),
            (#""1 000""#, "int_parsing"), (#""1,000""#, "int_parsing"), (#""--7""#, "int_parsing"),
            (#""+-7""#, "int_parsing"), (#""7.\n""#, "int_parsing"), (#""1e3""#, "int_parsing"),
            (#""0x10""#, "int_parsing"), (#""\u0663""#, "int_parsing"),
            (#""\uff17""#, "int_parsing"), (#""7\u0301""#, "int_parsing"),
            (#""\u200b7""#, "int_parsing"), (#""\u001f7""#, "int_parsing"),
            (#""9_223_372_036_854_775_808""#, "int_parsing_size"),
        ])
    func noIDs(literal: String, type: String) {
        #expect(faults(#"{"id":\#(literal),"title":"t"}"#) == ["body.id \(type)"])
    }

    @Test("The length of a text is counted in Unicode scalars, at both limits")
    func lengths() throws {
        func body(_ title: String, _ description: String = "") -> String {
            #"{"id":1,"title":"\#(title)","description":"\#(description)"}"#
        }
        let long = String(repeating: "😀", count: 200)
        #expect(try read(body(long)).get().title.string == long)
        #expect(faults(body(long + "a")) == ["body.title string_too_long"])
        #expect(faults(body("")) == ["body.title string_too_short"])
        let text = String(repeating: "é", count: 10_000)
        #expect(try read(body("t", text)).get().description?.string == text)
        #expect(faults(body("t", text + "a")) == ["body.description string_too_long"])
        #expect(faults(body(#"a\u0000"#)) == ["body.title value_error"])
        #expect(faults(body(#"\udfff"#)) == ["body.title string_unicode"])
    }

    @Test("All errors are reported at once, in the order of the fields")
    func several() {
        #expect(
            faults(#"{"description":7,"title":null}"#) == [
                "body.id missing", "body.title string_type", "body.description string_type",
            ])
        #expect(faults("") == ["body missing"])
        #expect(faults("[]") == ["body model_attributes_type"])
    }

    @Test(
        "A form of another origin's page creates no task",
        arguments: [
            ("application/x-www-form-urlencoded", false),
            ("Multipart/Form-Data; boundary=x", false),
            (" text/plain ;charset=utf-8", false), ("text/plain, application/json", false),
            (nil, true), ("application/json; charset=utf-8", true),
            ("application/vnd.api+json", true), ("application", false), ("text /plain", false),
            ("application/j\u{E9}", false), ("application/json\u{301}", false),
        ] as [(String?, Bool)])
    func mediaTypes(type: String?, isRead: Bool) {
        let expected = isRead ? [] : ["body model_attributes_type"]
        #expect(faults(#"{"id":1,"title":"t"}"#, type: type) == expected)
    }

    @Test("An error is written as FastAPI writes it")
    func wording() throws {
        let fault = ValidationFault(
            loc: ["body", 16], msg: "JSON decode error", type: "json_invalid",
            ctx: ["error": "Expecting value"])
        let expected =
            #"{"detail":[{"ctx":{"error":"Expecting value"},"loc":["body",16],"#
            + #""msg":"JSON decode error","type":"json_invalid"}]}"#
        let response = Response.unprocessable([fault])
        #expect(String(decoding: response.body, as: UTF8.self) == expected)
        #expect(response.status.code == 422)
    }

    @Test("A page is parsed from the query, and its errors are reported")
    func pages() throws {
        #expect(try TaskPage.read(query: nil).get() == TaskPage())
        #expect(
            try TaskPage.read(query: "x&limit=1&limit=%31%30&after=-5").get()
                == TaskPage(limit: 10, after: -5))
        #expect(throws: ValidationFaults.self) { try TaskPage.read(query: "limit=100001").get() }
        guard case .failure(let faults) = TaskPage.read(query: "limit=0&after=") else {
            Issue.record("a limit of nothing was accepted")
            return
        }
        #expect(faults.all.map(\.type) == ["greater_than_equal", "int_parsing"])
        #expect(faults.all.map(\.loc) == [["query", "limit"], ["query", "after"]])
    }

    @Test(
        "Times are UTC with microseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_489_200.123456, "2026-11-24T03:00:00.123456Z"),
            (951_782_400.000001, "2000-02-29T00:00:00.000001Z"),
        ] as [(Double, String)])
    func times(seconds: Double, text: String) {
        #expect(TaskStore.timestamp(Date(timeIntervalSince1970: seconds)) == text)
    }
}
