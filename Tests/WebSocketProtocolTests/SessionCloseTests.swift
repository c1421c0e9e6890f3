import Testing
import WebSocketProtocol

@Suite("A session reads Close frames and text (RFC 6455 §5.5.1, §7.4, §8.1)")
struct SessionCloseTests {
    private func verdict(_ bytes: [UInt8], _ role: Session.Role) -> SessionTwin.Verdict {
        let read = readStream(bytes, role: role)
        let single = readStream(bytes, cuts: Array(bytes.indices), role: role)
        #expect(read.transcript == single.transcript)
        #expect(read.faults + single.faults == [])
        return read.transcript.verdict
    }

    @Test(
        "Each of the 65,536 close codes is taken or fails with 1002", arguments: Session.Role.both)
    func everyCode(role: Session.Role) {
        for number in UInt16.min...UInt16.max {
            let run = SessionRun(role: role)
            run.feed(Wire.close(number, to: role))
            let isValid =
                switch number {
                case 1004, 1005, 1006: false
                case 1000...1014, 3000...4999: true
                default: false
                }
            let expected: SessionTwin.Verdict =
                isValid ? .closed(code: number, reason: "") : .failed(code: 1002)
            if run.transcript.verdict != expected { Issue.record("\(number)") }
            if !run.end().isEmpty { Issue.record("\(number)") }
        }
    }

    @Test("A Close frame may be empty, but not one byte long", arguments: Session.Role.both)
    func sizes(role: Session.Role) {
        #expect(verdict(Wire.close(nil, to: role), role) == .closed(code: nil, reason: ""))
        #expect(verdict(Wire.frame(8, [3], to: role), role) == .failed(code: 1002))
        let reason = String(repeating: "x", count: 123)
        #expect(
            verdict(Wire.close(1000, Array(reason.utf8), to: role), role)
                == .closed(code: 1000, reason: reason))
    }

    @Test(
        "A reason that is not UTF-8 fails with 1007",
        arguments: [[0xFF], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0x61, 0x80]]
            as [[UInt8]])
    func reasons(reason: [UInt8]) {
        for role in Session.Role.both {
            #expect(verdict(Wire.close(1000, reason, to: role), role) == .failed(code: 1007))
        }
    }

    @Test("Data after a Close frame is ignored", arguments: Session.Role.both)
    func afterClose(role: Session.Role) {
        let junk = Wire.text("late", to: role) + Wire.close(1001, to: role) + [0xFF, 0xFF, 0xFF]
        let bytes = Wire.text("a", to: role) + Wire.close(1000, to: role) + junk
        for cuts in [[], Array(bytes.indices)] {
            let read = readStream(bytes, cuts: cuts, role: role)
            #expect(read.transcript.events == [.message(.text, [0x61])])
            #expect(read.transcript.verdict == .closed(code: 1000, reason: ""))
            #expect(read.faults == [])
        }
    }

    @Test("Data after an error is ignored", arguments: Session.Role.both)
    func afterFault(role: Session.Role) {
        let bytes = Wire.more(to: role) + Wire.text("late", to: role) + Wire.close(1000, to: role)
        #expect(verdict(bytes, role) == .failed(code: 1002))
    }

    @Test("A Close frame within a message frees the message's memory", arguments: Session.Role.both)
    func closeWithinMessage(role: Session.Role) {
        for close in [Wire.close(1000, to: role), Wire.close(nil, to: role)] {
            let run = SessionRun(role: role)
            run.feed(Wire.binary(5_000, to: role, isFinal: false))
            #expect(run.sink.buffersOut == 1)
            run.feed(close)
            #expect(run.sink.buffersOut == 0 && run.action != .proceed)
            #expect(run.end() == [])
        }
    }

    // MARK: - Text (§8.1)

    @Test(
        "Text that isn't UTF-8 fails with 1007, in one frame or in fragments",
        arguments: [
            [0xFF], [0x80], [0xC0, 0xAF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0x61, 0xE2, 0x82], [0xF0, 0x9D, 0x84], [0xC3],
        ] as [[UInt8]])
    func notUTF8(text: [UInt8]) {
        for role in Session.Role.both {
            #expect(verdict(Wire.frame(1, text, to: role), role) == .failed(code: 1007))
            for cut in 0...text.count {
                let fragments =
                    Wire.frame(1, Array(text[..<cut]), to: role, isFinal: false)
                    + Wire.more(Array(text[cut...]), to: role)
                #expect(verdict(fragments, role) == .failed(code: 1007))
            }
            // The same bytes are valid in a binary message.
            #expect(verdict(Wire.frame(2, text, to: role), role) == .open)
        }
    }

    @Test("It fails at the first invalid byte, while the frame is still arriving")
    func failsFast() {
        let text: [UInt8] = Array("Käse ".utf8) + [0xED, 0xA0, 0x80] + Array("more".utf8)
        let first = 7  // ED is valid, A0 after it isn't.
        for role in Session.Role.both {
            for isFinal in [false, true] {
                let frame = Wire.frame(1, text, to: role, isFinal: isFinal)
                let run = SessionRun(role: role)
                run.feed(frame.dropLast(text.count - first))
                #expect(run.action == .proceed)
                run.feed([frame[frame.count - text.count + first]])
                #expect(run.transcript.verdict == .failed(code: 1007))
                #expect(run.end() == [])
            }
        }
    }

    @Test("A character may be split by frames and reads, and the next message starts anew")
    func cutCharacters() {
        for role in Session.Role.both {
            let whole = Array("a€\u{1D11E}b".utf8)
            let bytes = whole.indices.flatMap { index in
                Wire.frame(
                    index == 0 ? 1 : 0, [whole[index]], to: role,
                    isFinal: index == whole.count - 1)
            }
            let read = readStream(bytes + bytes, role: role)
            #expect(read.transcript.events == [.message(.text, whole), .message(.text, whole)])
        }
    }
}
