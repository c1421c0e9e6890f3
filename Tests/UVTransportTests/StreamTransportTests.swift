import CLibuv
import LiveTesting
import Testing

@testable import UVTransport

/// A transport that returns given bytes, and takes a few at a time.
private final class Script: StreamTransport {
    var incoming: [UInt8]
    var sent: [UInt8] = []
    var hasFinished = false
    var closes: [Bool] = []
    /// The most bytes of a read or write.
    let pieceSize: Int

    init(_ incoming: [UInt8], pieceSize: Int) {
        self.incoming = incoming
        self.pieceSize = pieceSize
    }

    override var ready: StreamEvents { [.readable, .writable] }

    override func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let piece = incoming.prefix(min(pieceSize, buffer.count))
        buffer.copyBytes(from: piece)
        incoming.removeFirst(piece.count)
        return piece.count
    }

    override func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let piece = bytes.prefix(pieceSize)
        sent += piece
        return piece.count
    }

    override func finishSending() { hasFinished = true }
    override func close(reset: Bool) { closes.append(reset) }
}

@Suite struct StreamTransportTests {
    @Test("A stream sends and receives by its transport, in pieces", arguments: [1, 3, 1_000])
    func pieces(size: Int) async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let bytes = [UInt8](0..<200)
            let stream = try await loop.run {
                let stream = RecordingStream(loop: loop)
                stream.echoes = true
                stream.adopt(Script(bytes, pieceSize: size))
                return stream
            }
            #expect(try await stream.receivedBytes(count: 200) == bytes)
            // The end of the script is the end of the stream, which an echo answers with its own.
            try await stream.events.next { if case .ended = $0 { true } else { false } }
            try await within {
                while try await !loop.run({ (stream.transport as! Script).hasFinished }) {}
            }
            try await loop.run {
                let script = stream.transport as! Script
                #expect(script.sent == bytes)
                stream.closeHandle()
                #expect(script.closes == [false])
                #expect(stream.transport == nil)
            }
        }
    }

    @Test("A reset stream tells its transport, and a paused one isn't called back")
    func reset() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let stream = try await loop.run {
                let stream = RecordingStream(loop: loop)
                stream.adopt(Script([1, 2, 3], pieceSize: 1))
                stream.stopPolling()
                return stream
            }
            for _ in 0..<10 { try await loop.run {} }
            #expect(stream.events.all.isEmpty)
            try await loop.run {
                let script = stream.transport as! Script
                stream.resetHandle()
                #expect(script.closes == [true])
            }
        }
    }
}

@Suite("A loop with a manual clock") struct ManualClockTests {
    private final class Entry: TimerEntry, @unchecked Sendable {
        // Safety: for its loop's thread.
        var fired: [UInt64] = []
        override func deadlinePassed(now: UInt64) { fired.append(now) }
    }

    @Test("stands still until it is moved, and fires each deadline at its own tick")
    func exact() async throws {
        let group = try EventLoopGroup(count: 1, isManual: true)
        let loop = group.loops[0]
        let start = loop.startTime
        let entries = [Entry(), Entry(), Entry()]
        try await loop.run {
            #expect(loop.now == start)
            for (entry, delay) in zip(entries, [1, 640, 100_000] as [UInt64]) {
                loop.schedule(entry, at: start + delay)
            }
        }
        for _ in 0..<10 { #expect(try await loop.run { loop.now } == start) }
        for (delay, count) in [(31, 1), (576, 1), (1, 2), (100_000, 3)] as [(UInt64, Int)] {
            await withCheckedContinuation { continuation in
                loop.execute { loop.advance(by: delay) { continuation.resume() } }
            }
            #expect(try await loop.run { entries.count { !$0.fired.isEmpty } } == count)
        }
        #expect(entries.map(\.fired) == [[start + 32], [start + 640], [start + 100_000]])
        #expect(group.shutdown() == 0)
    }

    @Test("reports idleness after all jobs, each waiter in turn")
    func idle() async throws {
        let group = try EventLoopGroup(count: 1, isManual: true)
        let loop = group.loops[0]
        let order = Locked<[Int]>([])
        await withCheckedContinuation { continuation in
            loop.execute {
                loop.whenIdle {
                    order.withLock { $0.append(5_001) }
                    loop.execute { order.withLock { $0.append(5_002) } }
                }
                loop.whenIdle { continuation.resume() }
                // More than one turn takes.
                for number in 0..<5_000 {
                    loop.execute { order.withLock { $0.append(number) } }
                }
                loop.executeLater { order.withLock { $0.append(5_000) } }
            }
        }
        #expect(order.value.count == 5_003)
        #expect(order.value.suffix(2) == [5_001, 5_002])
        #expect(group.shutdown() == 0)
    }

    @Test("calls back all that still wait for idleness when it is stopped")
    func stopped() throws {
        let group = try EventLoopGroup(count: 1, isManual: true)
        let loop = group.loops[0]
        let called = Locked(0)
        loop.execute {
            for _ in 0..<3 { loop.whenIdle { called.withLock { $0 += 1 } } }
            loop.stop()
        }
        #expect(group.shutdown() == 0)
        #expect(called.value == 3)
    }
}
