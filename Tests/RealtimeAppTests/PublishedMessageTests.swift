import Foundation
import HTTPProtocol
import Testing

@testable import RealtimeApp

/// Messages to publish as JSON. `Tests/Integration/test_channels.py` tests the other forms.
@Suite struct PublishedMessageTests {
    private func read(_ body: [UInt8]) throws(PublishFaults) -> ExactString {
        try PublishedMessage.read(query: nil, body, as: .named("application/json"))
    }

    @Test(
        "A message in JSON is any string",
        arguments: [
            (#"{"message":"a b&ü","x":[1]}"#, "a b&ü"), (#" {"message":""} "#, ""),
            (#"{"message":"\u00fc\u0000\ud83d\ude00"}"#, "ü\0😀"),
            (#"{"message":1,"message":"last"}"#, "last"),
        ])
    func valid(body: String, message: String) throws {
        #expect(try read([UInt8](body.utf8)).string == message)
    }

    @Test(
        "Invalid JSON is reported with its position in characters, and what was expected",
        arguments: [
            ("", 0, "Expecting value"),
            ("{", 1, "Expecting property name enclosed in double quotes"),
            (#"{"ü":1 "message":"x"}"#, 7, "Expecting ',' delimiter"),
            (#"{"message":"x"} x"#, 16, "Extra data"),
        ])
    func broken(body: String, position: Int, expected: String) {
        let faults = #expect(throws: PublishFaults.self) { try read([UInt8](body.utf8)) }?.faults
        #expect(
            faults == [
                ValidationFault(
                    loc: ["body", .number(position)], msg: "JSON decode error",
                    type: "json_invalid", ctx: ["error": .text(expected)])
            ])
    }

    @Test("Invalid UTF-8 is reported with its position too")
    func encoding() {
        let body = [UInt8](#"{"message":""#.utf8) + [0xFF, 0x22, 0x7D]
        let faults = #expect(throws: PublishFaults.self) { try read(body) }?.faults
        #expect(faults?.map(\.loc) == [["body", 12]])
    }

    @Test(
        "JSON without a valid message is reported with its field",
        arguments: [
            ("[1]", ["body"], "model_attributes_type"), ("null", ["body"], "model_attributes_type"),
            ("{}", ["body", "message"], "missing"),
            (#"{"message":1}"#, ["body", "message"], "string_type"),
            (#"{"message":null}"#, ["body", "message"], "string_type"),
            (#"{"message":"\ud800"}"#, ["body", "message"], "string_unicode"),
        ] as [(String, [ValidationFault.Item], String)])
    func unfit(body: String, loc: [ValidationFault.Item], type: String) {
        let faults = #expect(throws: PublishFaults.self) { try read([UInt8](body.utf8)) }?.faults
        #expect(faults?.map(\.loc) == [loc])
        #expect(faults?.map(\.type) == [type])
    }
}
