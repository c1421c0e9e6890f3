import Testing
import WebSocketProtocol

@Suite("A session enforces its limits and frees its memory") struct SessionLimitsTests {
    private func limits(
        frame: Int = 1 << 20, message: Int = 1 << 20, fragments: Int = 1_024
    ) -> SessionLimits {
        SessionLimits(frameSizeMax: frame, messageSizeMax: message, fragmentsMax: fragments)
    }

    private func verdict(
        _ bytes: [UInt8], _ role: Session.Role, _ limits: SessionLimits
    ) -> SessionTwin.Verdict {
        let read = readStream(bytes, role: role, limits: limits)
        #expect(read.faults == [])
        return read.transcript.verdict
    }

    @Test(
        "A frame of the largest size is accepted, one byte more is 1009 at its header",
        arguments: Session.Role.both, [0, 1, 125, 126, 65_535, 65_536])
    func frameSize(role: Session.Role, size: Int) {
        let limits = limits(frame: size)
        #expect(verdict(Wire.binary(size, to: role), role, limits) == .open)
        #expect(verdict(Wire.binary(size + 1, to: role), role, limits) == .failed(code: 1009))
        let header = Wire.frame(2, to: role, announced: UInt64(size + 1))
        #expect(verdict(header, role, limits) == .failed(code: 1009))
        let begun = Wire.binary(size, to: role, isFinal: false)
        let more = Wire.frame(0, to: role, announced: UInt64(size + 1))
        #expect(verdict(begun + more, role, limits) == .failed(code: 1009))
    }

    @Test("A message of the largest size is accepted, one byte more is 1009 at the last header")
    func messageSize() {
        for role in Session.Role.both {
            let limits = limits(message: 1_000)
            #expect(limits.frameSizeMax == 1_000)
            #expect(verdict(Wire.binary(1_001, to: role), role, limits) == .failed(code: 1009))
            let begun =
                Wire.binary(400, to: role, isFinal: false)
                + Wire.more(Wire.pattern(400), to: role, isFinal: false)
            let last = { (size: UInt64) in Wire.frame(0, to: role, announced: size) }
            #expect(verdict(begun + last(200), role, limits) == .open)
            #expect(verdict(begun + last(201), role, limits) == .failed(code: 1009))
            let whole = begun + Wire.more(Wire.pattern(200), to: role)
            // The limit applies to a message, not to the connection.
            #expect(verdict(whole + whole, role, limits) == .open)
        }
    }

    @Test("Without a limit of its own, the number of fragments grows with the size of the message")
    func fragmentsBySize() {
        let limits = SessionLimits(
            frameSizeMax: 1 << 20, messageSizeMax: 1 << 20, fragmentsMax: nil)
        func answer(_ count: Int, of size: Int) -> SessionAction {
            let run = SessionRun(role: .server, limits: limits)
            run.feed(Wire.frame(2, Wire.pattern(size), to: .server, isFinal: false))
            for _ in 2..<count {
                run.feed(Wire.more(Wire.pattern(size), to: .server, isFinal: false))
            }
            run.feed(Wire.more(Wire.pattern(size), to: .server))
            let action = run.action
            #expect(run.end() == [])
            return action
        }
        // More than 1,024 fragments, as long as the size allows it.
        #expect(answer(1_100, of: 200) == .proceed)
        #expect(answer(1_500, of: 128) == .proceed)
        for (count, size) in [(1_025, 0), (1_034, 1), (1_300, 20)] {
            guard case .fail(let fault) = answer(count, of: size) else {
                Issue.record("\(count) of \(size) pass")
                continue
            }
            #expect(fault.code == .messageTooBig && fault.limit == .fragments)
        }
    }

    @Test("The error for a compressed message that is too long names the configured limit")
    func compressedReason() {
        let limits = SessionLimits(frameSizeMax: 4_096, messageSizeMax: 4_096, fragmentsMax: 4)
        let run = SessionRun(role: .server, limits: limits, allowsCompression: true)
        run.feed(Wire.frame(2, Wire.pattern(5_000), to: .server, reserved: 0x40))
        guard case .fail(let fault) = run.action else {
            Issue.record("it passes")
            return
        }
        #expect(fault.code == .messageTooBig && fault.reason == "message is over 4096 bytes")
        #expect(run.end() == [])
    }

    @Test("As many fragments as allowed are accepted, one more is 1009", arguments: [1, 2, 16])
    func fragments(count: Int) {
        for role in Session.Role.both {
            let limits = limits(fragments: count)
            let message = { (count: Int) in
                (0..<count).flatMap {
                    Wire.frame($0 == 0 ? 1 : 0, to: role, isFinal: $0 == count - 1)
                }
            }
            #expect(verdict(message(count) + message(count), role, limits) == .open)
            #expect(verdict(message(count + 1), role, limits) == .failed(code: 1009))
        }
    }

    @Test("Control frames don't count as fragments, and aren't subject to the message's limits")
    func controlFrames() {
        let limits = limits(frame: 10, message: 10, fragments: 2)
        let ping = Wire.frame(9, Wire.pattern(125), to: .server)
        let bytes =
            Wire.binary(5, to: .server, isFinal: false) + ping + ping + ping
            + Wire.more(Wire.pattern(5), to: .server)
        #expect(verdict(bytes, .server, limits) == .open)
    }

    @Test("A spent budget is 1013, and all memory is freed")
    func budget() {
        for role in Session.Role.both {
            let bytes = Wire.binary(100_000, to: role)
            for budget in [0, 4_095, 5_000, 20_000, 99_999] {
                let run = SessionRun(role: role, budget: budget)
                for start in stride(from: 0, to: bytes.count, by: 3_000) {
                    run.feed(bytes[start..<min(start + 3_000, bytes.count)])
                }
                #expect(run.transcript == .init(events: [], verdict: .failed(code: 1013)))
                #expect(run.sink.refused == 1 && run.sink.bytesOutPeak <= budget)
                #expect(run.end() == [])
            }
        }
    }

    @Test("A message within one read needs no memory, however little there is")
    func noMemory() {
        for role in Session.Role.both {
            let run = SessionRun(role: role, budget: 0)
            run.feed(Wire.binary(100_000, to: role) + Wire.text("a", to: role))
            let split = Wire.text("whole payload in one read", to: role)
            run.feed(split.prefix(2))
            run.feed(split.dropFirst(2))
            #expect(run.sink.events.count == 3 && run.sink.grown == 0)
            #expect(run.end() == [])
        }
    }

    @Test("Announced bytes aren't allocated", arguments: Session.Role.both)
    func announced(role: Session.Role) {
        let limits = limits(frame: 1 << 40, message: 1 << 40)
        for isFinal in [false, true] {
            let header = Wire.frame(2, to: role, isFinal: isFinal, announced: 1 << 39)
            let run = SessionRun(role: role, limits: limits)
            run.feed(header)
            #expect(run.sink.grown == 0)
            run.feed(Wire.pattern(100))
            #expect(run.sink.bytesOut == 4_096)
            run.feed(Wire.pattern(10_000))
            #expect(run.sink.bytesOut <= 2 * 10_100)
            #expect(run.end() == [])
        }
    }

    @Test("A short message gets no more memory than it has bytes")
    func noMoreThanExpected() {
        let run = SessionRun(role: .server)
        run.feed(Wire.text("Hello", to: .server).dropLast())
        #expect(run.sink.bytesOut == 5)
        #expect(run.end() == [])
    }

    @Test("`discard` frees the memory wherever the connection ends", arguments: Session.Role.both)
    func discard(role: Session.Role) {
        let bytes =
            Wire.frame(1, [0x61], to: role, isFinal: false) + Wire.frame(9, [1, 2, 3], to: role)
            + Wire.more(Wire.pattern(40).map { $0 & 0x7F }, to: role)
        for end in bytes.indices {
            let run = SessionRun(role: role)
            run.feed(bytes[..<end])
            #expect(run.isBetweenMessages == (end == 0))
            #expect(run.end() == [])
        }
    }

    @Test("Messages that aren't wanted are skipped, unchecked and without memory")
    func unwanted() {
        for role in Session.Role.both {
            let skipped =
                Wire.frame(1, [0xFF], to: role) + Wire.binary(70_000, to: role)
                + Wire.text("a", to: role, isFinal: false) + Wire.frame(9, [5], to: role)
                + Wire.more([0xC3], to: role)
            let bytes = Wire.text("last", to: role) + skipped + Wire.close(1001, to: role)
            for cuts in [[], Array(stride(from: 0, to: bytes.count, by: 7))] {
                let read = readStream(bytes, cuts: cuts, role: role, eventsWanted: 1)
                #expect(
                    read.transcript
                        == .init(
                            events: [.message(.text, Array("last".utf8)), .ping([5])],
                            verdict: .closed(code: 1001, reason: "")))
                #expect(read.faults == [])
            }
        }
    }

    @Test("The protocol is still checked when messages aren't wanted")
    func unwantedFaults() {
        for bytes in [
            Wire.more(to: .server), Wire.frame(3, to: .server), Wire.frame(2, to: .client),
            Wire.frame(9, to: .server, isFinal: false), Wire.close(1005, to: .server),
        ] {
            let read = readStream(bytes, role: .server, eventsWanted: 0)
            #expect(read.transcript.verdict == .failed(code: 1002))
        }
        let tooBig = Wire.frame(2, to: .server, announced: 1 << 21)
        let read = readStream(tooBig, role: .server, eventsWanted: 0)
        #expect(read.transcript.verdict == .failed(code: 1009))
    }

    @Test("A message that is no longer wanted half-way is dropped, and its memory is freed")
    func unwantedHalfWay() {
        for role in Session.Role.both {
            let run = SessionRun(role: role, eventsWanted: 1)
            run.feed(Wire.binary(5_000, to: role, isFinal: false))
            run.feed(Wire.frame(9, [1], to: role) + Wire.more([1], to: role))
            #expect(run.sink.events == [.ping([1])] && run.sink.buffersOut == 0)
            #expect(run.isBetweenMessages)
            #expect(run.end() == [])
        }
    }
}
