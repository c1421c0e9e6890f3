import Testing

@testable import WebSocketServer
@testable import apus

@Suite("What apus connect says of a connection's end")
struct ConnectionReportTests {
    private func report(
        _ code: CloseCode, _ reason: String = "", isClean: Bool = true, closedHere: Bool = false
    ) -> ConnectionReport {
        ConnectionReport(
            ConnectionEnd(code: code, reason: reason, isClean: isClean), closedHere: closedHere,
            pongTimeout: .seconds(10))
    }

    @Test("a normal end is a success, and a note only where this side closed")
    func normal() {
        for code: CloseCode in [.normalClosure, .goingAway, .noStatusReceived] {
            #expect(report(code).status == 0 && !report(code).isNote)
            #expect(report(code, closedHere: true).isNote)
        }
        #expect(report(.goingAway, "bye").text == "closed by the server: 1001 (going away): bye")
    }

    @Test("any other code is a failure")
    func failures() {
        for code: CloseCode in [.policyViolation, .internalError, .unauthorized, 4_001] {
            #expect(report(code).status == 1 && !report(code, closedHere: true).isNote)
        }
    }

    @Test("a connection that was lost is a failure, whatever code stands for it")
    func lost() {
        let silent = report(.internalError, "heartbeat timeout", isClean: false)
        #expect(silent.status == 1)
        #expect(silent.text.hasSuffix("nothing came from the server within 10.0 s after a ping"))
        let unanswered = report(.normalClosure, "close timeout", isClean: false, closedHere: true)
        #expect(unanswered.status == 1 && !unanswered.isNote)
        #expect(unanswered.text == "the server did not answer the Close frame")
        let reset = report(.abnormalClosure, "ECONNRESET", isClean: false)
        #expect(reset.status == 1)
        #expect(reset.text.contains("1006 (abnormal closure)") && reset.text.contains("ECONNRESET"))
    }

    @Test(
        "a refusal's body is shown if it is for people",
        arguments: [
            (#"{"title":"Not Found","detail":"Nothing is here."}"#, "Nothing is here."),
            (#"{"title":"Not Found"}"#, "Not Found"), (#"{"error":1}"#, nil), ("[1]", "[1]"),
            (" try later\n", "try later"), ("", nil), ("<html>", nil), ("two\nlines", nil),
            (String(repeating: "x", count: 201), nil), (" ", nil), ("<", nil), ("x", "x"),
            (#"{"detail":7}"#, nil), (#"{"detail":null,"title":"No"}"#, "No"),
            (#"{"detail":7,"title":"No"}"#, "No"),
        ] as [(String, String?)])
    func bodies(body: String, shown: String?) {
        #expect(ConnectionReport.detail(Array(body.utf8)) == shown)
    }

    @Test("A body with long runs of combining marks doesn't hold the client up")
    func combiningMarks() {
        // Hashed or compared as strings, they would take minutes.
        let marks = String(repeating: "\u{301}\u{316}", count: 100_000)
        let body = #"{"\#(marks)":1,"title":"No"}"#
        #expect(ConnectionReport.detail(Array(body.utf8)) == "No")
        #expect(ConnectionReport.detail(Array(marks.utf8)) == nil)
    }

    @Test("binary messages are shown as their size and first bytes")
    func binary() {
        #expect(MessageText.preview([]) == "[binary, 0 bytes]")
        #expect(MessageText.preview([0xFF]) == "[binary, 1 byte] ff")
        let long = MessageText.preview([UInt8](repeating: 0, count: 1_024))
        #expect(long.hasPrefix("[binary, 1,024 bytes] 00 00 ") && long.hasSuffix(" 00 …"))
    }
}
