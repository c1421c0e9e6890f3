import AppInput
import Testing
import WebSocketServer

@testable import RealtimeApp

@Suite struct ValidationResponseTests {
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
}
