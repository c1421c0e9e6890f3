import Testing
import WebSocketProtocol

/// RFC 7692 §6: the frames that RSV1 may mark, and the outcome of their messages.
@Suite struct SessionCompressionTests {
    static let rsv1: UInt8 = 0x40

    private func run(
        _ bytes: [[UInt8]], role: Session.Role = .server, inflated: [LedgerInflated] = [],
        agreed: Bool = true
    ) -> SessionRun {
        let run = SessionRun(role: role, allowsCompression: agreed, inflated: inflated)
        for piece in bytes { run.feed(piece) }
        return run
    }

    private func failure(_ run: SessionRun) -> UInt16? {
        if case .fail(let fault) = run.action { fault.code.rawValue } else { nil }
    }

    @Test(arguments: [Session.Role.server, .client])
    func `a marked message is inflated whole and delivered`(role: Session.Role) {
        let frame = Wire.frame(1, [1, 2, 3], to: role, reserved: Self.rsv1)
        let run = run([frame], role: role, inflated: [.message(Array("hello".utf8))])
        #expect(run.sink.compressed == [[1, 2, 3]])
        #expect(run.sink.events == [.message(.text, Array("hello".utf8))])
        #expect(run.isBetweenMessages)
    }

    @Test func `fragments of a marked message are put together before it is inflated`() {
        let first = Wire.frame(2, [1, 2], to: .server, isFinal: false, reserved: Self.rsv1)
        let ping = Wire.frame(9, [7], to: .server)
        let last = Wire.more([3], to: .server)
        let all = first + ping + last
        for cut in 0...all.count {
            let run = run(
                [Array(all[..<cut]), Array(all[cut...])], inflated: [.message([9, 9])])
            #expect(run.sink.compressed == [[1, 2, 3]])
            #expect(run.sink.events == [.ping([7]), .message(.binary, [9, 9])])
            #expect(run.sink.bytesOut == 0)
        }
    }

    @Test func `a plain message between marked ones is not inflated`() {
        let run = run(
            [
                Wire.frame(2, [1], to: .server, reserved: Self.rsv1), Wire.text("a", to: .server),
                Wire.frame(2, [2], to: .server, reserved: Self.rsv1),
            ], inflated: [.message([8]), .message([9])])
        #expect(run.sink.compressed == [[1], [2]])
        #expect(
            run.sink.events == [
                .message(.binary, [8]), .message(.text, Array("a".utf8)), .message(.binary, [9]),
            ])
    }

    @Test(arguments: [UInt8(0x8), 0x9, 0xA])
    func `RSV1 on a control frame is 1002`(opcode: UInt8) {
        #expect(failure(run([Wire.frame(opcode, to: .server, reserved: Self.rsv1)])) == 1002)
    }

    @Test func `RSV1 on a continuation is 1002`() {
        let first = Wire.frame(1, [1], to: .server, isFinal: false, reserved: Self.rsv1)
        let more = Wire.frame(0, [2], to: .server, reserved: Self.rsv1)
        #expect(failure(run([first + more])) == 1002)
    }

    @Test(arguments: [UInt8(0x20), 0x10, 0x60, 0x50, 0x70])
    func `other reserved bits stay faults where compression was agreed`(bits: UInt8) {
        #expect(failure(run([Wire.frame(1, [1], to: .server, reserved: bits)])) == 1002)
    }

    @Test func `RSV1 is a fault where compression was not agreed`() {
        let frame = Wire.frame(1, [1], to: .server, reserved: Self.rsv1)
        #expect(failure(run([frame], agreed: false)) == 1002)
    }

    @Test func `what inflates past the limit is 1009, corrupt data 1007, no memory 1013`() {
        let frame = Wire.frame(2, [1], to: .server, reserved: Self.rsv1)
        #expect(failure(run([frame], inflated: [.tooBig])) == 1009)
        #expect(failure(run([frame])) == 1007)
        #expect(failure(run([frame], inflated: [.noMemory])) == 1013)
    }

    @Test func `inflated text that is not UTF-8 is 1007, bytes are not looked at`() {
        let text = Wire.frame(1, [1], to: .server, reserved: Self.rsv1)
        let bytes = Wire.frame(2, [1], to: .server, reserved: Self.rsv1)
        #expect(failure(run([text], inflated: [.message([0xC3])])) == 1007)
        #expect(failure(run([bytes], inflated: [.message([0xC3])])) == nil)
    }

    @Test func `a compressed payload need not be UTF-8`() {
        let frame = Wire.frame(1, [0xFF, 0xC0], to: .server, reserved: Self.rsv1)
        let run = run([frame], inflated: [.message(Array("ok".utf8))])
        #expect(run.sink.events == [.message(.text, Array("ok".utf8))])
    }
}
