import Testing
import WebSocketProtocol

@Suite struct CloseCodeTests {
    @Test(
        "A code that RFC 6455 §7.4 or IANA assigns may be sent",
        arguments: [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999,
        ] as [UInt16])
    func validOnWire(code: UInt16) {
        #expect(CloseCode(rawValue: code).isValidOnWire)
    }

    @Test(
        "A code that is reserved, local or out of range may not be sent",
        arguments: [
            0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535,
        ] as [UInt16])
    func invalidOnWire(code: UInt16) {
        #expect(!CloseCode(rawValue: code).isValidOnWire)
    }

    @Test("The names have the numbers of the registry")
    func names() {
        let codes: [CloseCode] = [
            .normalClosure, .goingAway, .protocolError, .unsupportedData, .noStatusReceived,
            .abnormalClosure, .invalidPayload, .policyViolation, .messageTooBig,
            .mandatoryExtension, .internalError, .serviceRestart, .tryAgainLater, .badGateway,
        ]
        #expect(
            codes.map(\.rawValue) == [
                1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
            ])
        #expect(codes.allSatisfy { $0.description.hasPrefix("\($0.rawValue) (") })
    }

    @Test("A code describes itself by its number and, if it has one, its name")
    func description() {
        #expect(CloseCode.messageTooBig.description == "1009 (message too big)")
        #expect((4001 as CloseCode).description == "4001")
    }
}
