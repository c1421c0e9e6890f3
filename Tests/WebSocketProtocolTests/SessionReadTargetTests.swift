import Testing
import WebSocketProtocol

@Suite("A session offers its own memory for reading long frames") struct SessionReadTargetTests {
    @Test("Long frames are read directly into place, but not the control frames between them")
    func longFrames() {
        for role in Session.Role.both {
            let first = Wire.pattern(200_000)
            let second = Array("Käse".utf8) + [UInt8](repeating: 0x61, count: 100_000)
            let bytes =
                Wire.frame(2, first, to: role, isFinal: false) + Wire.frame(9, [1], to: role)
                + Wire.more(first, to: role) + Wire.frame(1, second, to: role)
            for size in [1_000, 16_384, 65_536, 262_144] {
                let run = SessionRun(role: role)
                run.usesReadTarget = true
                for start in stride(from: 0, to: bytes.count, by: size) {
                    run.feed(bytes[start..<min(start + size, bytes.count)])
                }
                #expect(
                    run.sink.events
                        == [.ping([1]), .message(.binary, first + first), .message(.text, second)])
                #expect(size > 100_000 || run.directReads > 1)
                #expect(run.end() == [])
            }
        }
    }

    @Test("Nothing is offered before the payload of a frame has begun, or if little is missing")
    func notOffered() {
        let run = SessionRun(role: .server)
        #expect(!run.wantsOwnReadBuffer && run.readTargetSize(atMost: 1 << 18) == 0)
        let frame = Wire.binary(40_000, to: .server)
        run.feed(frame.prefix(8))
        #expect(!run.wantsOwnReadBuffer && run.readTargetSize(atMost: 1 << 18) == 0)
        run.feed(frame[8..<100])
        #expect(run.wantsOwnReadBuffer && run.readTargetSize(atMost: 1 << 18) > 0)
        run.feed(frame[100...(frame.count - 16_384)])
        #expect(!run.wantsOwnReadBuffer && run.readTargetSize(atMost: 1 << 18) == 0)
        run.feed(frame[(frame.count - 16_383)...])
        #expect(run.sink.events == [.message(.binary, Wire.pattern(40_000))])
        #expect(run.end() == [])
    }

    @Test("The offer ends with the frame, with the requested size, and with the received size")
    func size() {
        let header = Wire.frame(2, to: .server, isFinal: false, announced: 100_000)
        let run = SessionRun(role: .server)
        run.feed(header + Wire.pattern(10))
        let first = run.readTargetSize(atMost: 1 << 18)
        #expect((16_384...32_768).contains(first), "\(first)")
        #expect(run.readTargetSize(atMost: 100) == 100)
        run.feed(Wire.pattern(80_000))
        #expect(run.readTargetSize(atMost: 1 << 18) <= 100_000 - 80_010)
        #expect(run.end() == [])
    }

    @Test("An unused offer loses nothing")
    func unused() {
        let bytes = Wire.binary(100_000, to: .server)
        let run = SessionRun(role: .server)
        for start in stride(from: 0, to: bytes.count, by: 9_000) {
            run.feed(bytes[start..<min(start + 9_000, bytes.count)])
            _ = run.readTargetSize(atMost: 1 << 18)
        }
        #expect(run.sink.events == [.message(.binary, Wire.pattern(100_000))])
        #expect(run.end() == [])
    }

    @Test("With a spent budget nothing is offered, and the next bytes are 1013")
    func budget() {
        let run = SessionRun(role: .server, budget: 5_000)
        run.feed(Wire.binary(100_000, to: .server).prefix(3_000))
        #expect(run.wantsOwnReadBuffer && run.readTargetSize(atMost: 1 << 18) == 0)
        #expect(run.sink.refused == 1 && run.action == .proceed)
        run.feed(Wire.pattern(3_000))
        #expect(run.transcript.verdict == .failed(code: 1013))
        #expect(run.end() == [])
    }

    @Test("Text that is read directly into place fails at its first invalid byte")
    func text() {
        var text = [UInt8](repeating: 0x61, count: 100_000)
        text[60_000] = 0xFF
        let bytes = Wire.frame(1, text, to: .server)
        let run = SessionRun(role: .server)
        run.usesReadTarget = true
        run.feed(bytes.prefix(14 + 60_000))
        #expect(run.action == .proceed && run.directReads == 0)
        run.feed([bytes[14 + 60_000]])
        #expect(run.transcript.verdict == .failed(code: 1007) && run.directReads == 1)
        #expect(run.end() == [])
    }

    /// Lends the front of one block, so that reads begin where the buffer ends.
    private struct AdjacentSink: SessionSink {
        let block: UnsafeMutableRawBufferPointer
        var messages: [[UInt8]] = []
        var isOverrun = false
        var wantsMessages: Bool { true }

        mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind) {
            messages.append(Array(payload))
        }
        mutating func ping(_ payload: UnsafeRawBufferPointer) {}
        mutating func pong(_ payload: UnsafeRawBufferPointer) {}

        mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int) -> Bool
        {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 100_000, alignment: 1)
            guard let base = buffer.base else {
                memory.deallocate()
                buffer.base = block.baseAddress
                buffer.capacity = capacity
                return true
            }
            memory.copyMemory(from: base, byteCount: buffer.count)
            buffer.base = memory
            buffer.capacity = 100_000
            return true
        }

        mutating func release(_ buffer: inout AssemblyBuffer) {
            if buffer.count > buffer.capacity { isOverrun = true }
            if buffer.base != block.baseAddress { buffer.base?.deallocate() }
            buffer = AssemblyBuffer()
        }
    }

    @Test("A read that begins right after a full buffer isn't taken for one into it")
    func adjacent() {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 20_000, alignment: 8)
        defer { block.deallocate() }
        var session = Session(role: .client, limits: .generous)
        var sink = AdjacentSink(block: block)
        let frame = Wire.binary(10_000, to: .client)
        // 5,004 bytes: a header and 5,000 bytes of payload, for which exactly 5,000 are lent.
        var first = Array(frame[..<5_004])
        _ = first.withUnsafeMutableBytes {
            session.receive($0.baseAddress!, count: $0.count, into: &sink)
        }
        let rest = UnsafeMutableRawBufferPointer(rebasing: block[5_000..<10_000])
        rest.copyBytes(from: frame[5_004...])
        let action = session.receive(rest.baseAddress!, count: rest.count, into: &sink)
        #expect(action == .proceed && sink.messages == [Wire.pattern(10_000)])
        #expect(!sink.isOverrun)
        session.discard(into: &sink)
    }
}
