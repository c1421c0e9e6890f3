import Testing
import WebSocketProtocol

@Suite("A session reads frames (RFC 6455 §5)", .serialized) struct SessionFramesTests {
    private func expect(
        _ bytes: [UInt8], _ role: Session.Role, _ events: [SessionEvent],
        _ verdict: SessionTwin.Verdict = .open, limits: SessionLimits = .generous
    ) {
        for cuts in [[], Array(bytes.indices)] where bytes.count < 2_000 || cuts.isEmpty {
            let read = readStream(bytes, cuts: cuts, role: role, limits: limits)
            #expect(read.transcript == .init(events: events, verdict: verdict))
            #expect(read.faults == [])
        }
    }

    @Test("The examples of §5.7 are read exactly")
    func examples() {
        let hello = SessionEvent.message(.text, Array("Hello".utf8))
        let masked: [UInt8] = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
        ]
        expect([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], .client, [hello])
        expect(masked, .server, [hello])
        expect([0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F], .client, [hello])
        expect(
            [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], .client, [.ping(Array("Hello".utf8))])
        expect([0x8A] + masked[1...], .server, [.pong(Array("Hello".utf8))])
    }

    @Test(
        "A payload with any form of length is read",
        arguments: Session.Role.both, [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
    func lengths(role: Session.Role, size: Int) {
        let bytes = Wire.binary(size, to: role) + Wire.text("after", to: role)
        expect(
            bytes, role,
            [.message(.binary, Wire.pattern(size)), .message(.text, Array("after".utf8))])
    }

    @Test(
        "Reserved bits fail with 1002, in every frame (§5.2)", arguments: Session.Role.both,
        [0x10, 0x20, 0x40, 0x70] as [UInt8])
    func reservedBits(role: Session.Role, bits: UInt8) {
        for opcode in [0, 1, 2, 8, 9, 10] as [UInt8] {
            expect(
                Wire.frame(opcode, to: role, reserved: bits), role, [], .failed(code: 1002))
        }
    }

    @Test(
        "Reserved opcodes fail with 1002 (§5.2)", arguments: Session.Role.both,
        [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8])
    func reservedOpcodes(role: Session.Role, opcode: UInt8) {
        expect(
            Wire.binary(1, to: role) + Wire.frame(opcode, to: role), role,
            [.message(.binary, [0])], .failed(code: 1002))
    }

    @Test("A server refuses unmasked frames, a client masked ones: 1002 (§5.1)")
    func masking() {
        for opcode in [1, 2, 8, 9, 10] as [UInt8] {
            expect(Wire.frame(opcode, to: .client), .server, [], .failed(code: 1002))
            expect(Wire.frame(opcode, to: .server), .client, [], .failed(code: 1002))
        }
        let begun = Wire.text("a", to: .server, isFinal: false)
        expect(begun + Wire.more(to: .client), .server, [], .failed(code: 1002))
    }

    @Test(
        "A wrong mask, reserved bits and a long control frame are detected in the first two bytes",
        arguments: [
            ([0x81, 0x05], .server), ([0x81, 0x7F], .server), ([0x81, 0xFF], .client),
            ([0xC1, 0xFE], .server), ([0x91, 0x7E], .client), ([0x89, 0xFE], .server),
            ([0x88, 0x7F], .client),
        ] as [([UInt8], Session.Role)])
    func twoBytes(bytes: [UInt8], role: Session.Role) {
        expect(bytes, role, [], .failed(code: 1002))
    }

    @Test("A length that isn't in its shortest form fails with 1002 (§5.2)")
    func lengthForms() {
        for role in Session.Role.both {
            for (size, form) in [
                (0, .sixteen), (125, .sixteen), (0, .sixtyFour), (126, .sixtyFour),
                (65_535, .sixtyFour),
            ] as [(Int, Wire.LengthForm)] {
                let frame = Wire.frame(2, Wire.pattern(size), to: role, form: form)
                expect(frame, role, [], .failed(code: 1002))
            }
        }
    }

    @Test("A length with its top bit set fails with 1002, one below it with 1009")
    func hugeLengths() {
        for role in Session.Role.both {
            expect(Wire.frame(2, to: role, announced: 1 << 63), role, [], .failed(code: 1002))
            expect(Wire.frame(2, to: role, announced: .max), role, [], .failed(code: 1002))
            expect(
                Wire.frame(2, to: role, announced: .max >> 1), role, [], .failed(code: 1009))
        }
    }

    // MARK: - Fragments (§5.4)

    @Test("Fragments are assembled, including empty ones", arguments: Session.Role.both)
    func fragments(role: Session.Role) {
        let pieces = [[], [1, 2], [], [3], []] as [[UInt8]]
        let bytes =
            Wire.frame(2, pieces[0], to: role, isFinal: false)
            + pieces[1...3].flatMap { Wire.more($0, to: role, isFinal: false) }
            + Wire.more(pieces[4], to: role)
        expect(bytes, role, [.message(.binary, [1, 2, 3])])
    }

    @Test("A continuation without a message fails with 1002", arguments: Session.Role.both)
    func strayContinuation(role: Session.Role) {
        for isFinal in [false, true] {
            let stray = Wire.more([1], to: role, isFinal: isFinal)
            expect(stray, role, [], .failed(code: 1002))
            expect(
                Wire.binary(1, to: role) + stray, role, [.message(.binary, [0])],
                .failed(code: 1002))
        }
    }

    @Test("A message that begins within another fails with 1002", arguments: Session.Role.both)
    func interleaved(role: Session.Role) {
        let begun = Wire.binary(3, to: role, isFinal: false)
        for opcode in [1, 2] as [UInt8] {
            for isFinal in [false, true] {
                let other = Wire.frame(opcode, to: role, isFinal: isFinal)
                expect(begun + other, role, [], .failed(code: 1002))
            }
        }
    }

    // MARK: - Control frames (§5.5)

    @Test("Control frames of up to 125 bytes are read", arguments: Session.Role.both, [0, 1, 125])
    func controlFrames(role: Session.Role, size: Int) {
        let payload = Wire.pattern(size)
        expect(
            Wire.frame(9, payload, to: role) + Wire.frame(10, payload, to: role), role,
            [.ping(payload), .pong(payload)])
    }

    @Test("A control frame of 126 bytes fails with 1002", arguments: [8, 9, 10] as [UInt8])
    func longControlFrame(opcode: UInt8) {
        for role in Session.Role.both {
            expect(
                Wire.frame(opcode, Wire.pattern(126), to: role), role, [], .failed(code: 1002))
            expect(
                Wire.frame(opcode, to: role, announced: 1 << 40), role, [], .failed(code: 1002))
        }
    }

    @Test("A fragmented control frame fails with 1002", arguments: [8, 9, 10] as [UInt8])
    func fragmentedControlFrame(opcode: UInt8) {
        for role in Session.Role.both {
            expect(
                Wire.frame(opcode, to: role, isFinal: false), role, [], .failed(code: 1002))
        }
    }

    @Test(
        "Control frames within a fragmented message are delivered at once, however they are split",
        arguments: Session.Role.both)
    func controlWithinMessage(role: Session.Role) {
        let ping = Wire.pattern(20)
        let bytes =
            Wire.frame(1, [0xE2], to: role, isFinal: false) + Wire.frame(9, ping, to: role)
            + Wire.more([0x82], to: role, isFinal: false) + Wire.frame(10, [7], to: role)
            + Wire.more([0xAC], to: role)
        for cut in bytes.indices {
            let read = readStream(bytes, cuts: [cut], role: role)
            #expect(
                read.transcript.events
                    == [.ping(ping), .pong([7]), .message(.text, Array("€".utf8))])
            #expect(read.faults == [])
        }
        let begun = bytes.prefix(bytes.count - 1)
        #expect(readStream(Array(begun), role: role).transcript.events.count == 2)
    }
}
