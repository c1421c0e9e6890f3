import Testing
import WebSocketProtocol

@Suite struct ClosingHandshakeTests {
    @Test("A new connection is open, and ends with 1006 without a Close frame")
    func open() {
        let closing = ClosingHandshake()
        #expect(closing.sent == nil && closing.received == nil)
        #expect(closing.outcome == .abnormalClosure)
    }

    @Test("A Close frame is sent once, and only the first code counts")
    func closesOnce() {
        var closing = ClosingHandshake()
        #expect(closing.close(.goingAway) == .goingAway)
        #expect(closing.close(.internalError) == nil)
        #expect(closing.sent == .goingAway)
        #expect(closing.outcome == .goingAway)
    }

    @Test(
        "A close code of another connection can be used (n8n-as-code#318, WebSocket-Node#254)",
        arguments: [
            (1000, 1000), (1003, 1003), (1007, 1007), (1014, 1014), (3000, 3000), (4999, 4999),
            (1005, 1005), (1006, 1011), (1015, 1011), (1004, 1011), (0, 1011), (999, 1011),
            (1016, 1011), (2999, 1011), (5000, 1011), (65_535, 1011),
        ] as [(UInt16, UInt16)])
    func passedOn(asked: UInt16, sent: UInt16) {
        var closing = ClosingHandshake()
        #expect(closing.close(CloseCode(rawValue: asked)) == CloseCode(rawValue: sent))
        #expect(closing.sent == CloseCode(rawValue: sent))
        #expect(closing.outcome == CloseCode(rawValue: sent))
    }

    @Test("Whatever code is requested, the other side accepts the Close frame")
    func allCodes() throws {
        for number in UInt16.min...UInt16.max {
            var closing = ClosingHandshake()
            let sent = closing.close(CloseCode(rawValue: number))
            let code = try #require(sent)
            #expect(code.isValidOnWire || code == .noStatusReceived)
            #expect(code.isValidOnWire || code.payload(reason: "not sent") == [])
        }
    }

    @Test(
        "A peer's Close frame is answered with its own code (RFC 6455 §5.5.1)",
        arguments: [1000, 1001, 3000, 4999] as [UInt16])
    func answers(number: UInt16) {
        var closing = ClosingHandshake()
        let code = CloseCode(rawValue: number)
        let isOwed = closing.receive(code)
        #expect(isOwed && closing.sent == nil && closing.outcome == code)
        let answers = [closing.answer(), closing.answer()]
        #expect(answers == [code, nil])
        #expect(closing.sent == code && closing.outcome == code)
    }

    @Test("A Close frame without a code is answered without one, and reported as 1005")
    func withoutCode() throws {
        var closing = ClosingHandshake()
        let isOwed = closing.receive(nil)
        #expect(isOwed)
        let owed = closing.answer()
        let answer = try #require(owed)
        #expect(answer == .noStatusReceived)
        #expect(answer.payload(reason: "not sent") == [])
        #expect(closing.outcome == .noStatusReceived)
    }

    @Test("The answer to a Close frame isn't answered, and its code is the outcome")
    func answered() {
        var closing = ClosingHandshake()
        #expect(closing.close(.normalClosure) == .normalClosure)
        let isOwed = closing.receive(.goingAway)
        let answer = closing.answer()
        #expect(!isOwed && answer == nil)
        #expect(closing.sent == .normalClosure && closing.received == .goingAway)
        #expect(closing.outcome == .goingAway)
    }

    @Test("A second Close frame of the peer changes nothing, nor does closing after it")
    func secondCloseFrame() {
        var closing = ClosingHandshake()
        let first = (closing.receive(.normalClosure), closing.answer())
        #expect(first == (true, .normalClosure))
        let second = (closing.receive(.goingAway), closing.answer())
        #expect(second == (false, nil))
        #expect(closing.close(.internalError) == nil)
        #expect(closing.outcome == .normalClosure)
    }

    @Test("Nothing is answered before a Close frame has arrived")
    func nothingToAnswer() {
        var closing = ClosingHandshake()
        let answer = closing.answer()
        #expect(answer == nil && closing.sent == nil)
    }

    @Test("A Close frame may replace an answer; the outcome is the peer's")
    func ownInsteadOfAnswer() {
        var closing = ClosingHandshake()
        let isOwed = closing.receive(.goingAway)
        #expect(isOwed)
        #expect(closing.close(.internalError) == .internalError)
        let answer = closing.answer()
        #expect(answer == nil)
        #expect(closing.sent == .internalError && closing.outcome == .goingAway)
    }

    @Test("A payload is the code, big-endian, then the reason; 1005 has none at all")
    func payload() {
        #expect(CloseCode.normalClosure.payload(reason: "") == [0x03, 0xE8])
        #expect(CloseCode.goingAway.payload(reason: "bye") == [0x03, 0xE9, 0x62, 0x79, 0x65])
        #expect(CloseCode.noStatusReceived.payload(reason: "bye") == [])
    }

    @Test(
        "A reason that is too long is truncated at a character, to at most 125 bytes",
        arguments: ["a", "é", "€", "\u{1D11E}", "👩‍👩‍👧‍👦", "e\u{301}"])
    func longReason(character: String) throws {
        for count in 0...130 {
            let reason = String(repeating: character, count: count)
            let payload = CloseCode.normalClosure.payload(reason: reason)
            #expect(payload.count <= FrameHeader.controlPayloadMax)
            let kept = try #require(String(validating: payload[2...], as: UTF8.self))
            #expect(reason.hasPrefix(kept) || kept.isEmpty)
            #expect(kept.utf8.count % character.utf8.count == 0)
            let isWhole = reason.utf8.count <= 123
            #expect(isWhole ? kept == reason : kept.utf8.count > 123 - character.utf8.count)
        }
    }

    @Test(
        "The code and reason of one side arrive unchanged at the other",
        arguments: [CloseCode.normalClosure, .tryAgainLater, .noStatusReceived])
    func roundTrip(code: CloseCode) {
        let payload = code.payload(reason: "Käse")
        let read = readStream(Wire.frame(8, payload, to: .server), role: .server)
        let expected: SessionTwin.Verdict =
            payload.isEmpty
            ? .closed(code: nil, reason: "") : .closed(code: code.rawValue, reason: "Käse")
        #expect(read.transcript.verdict == expected)
    }
}
