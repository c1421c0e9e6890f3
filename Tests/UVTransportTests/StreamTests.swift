import CLibuv
import Dispatch
import Testing
import LiveTesting

@testable import UVTransport

@Suite struct StreamTests {
    @Test("Sends back what arrives, in order, whatever its size", arguments: Kind.allCases)
    func echo(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0])
            try await pair.loop.run { pair.stream.echoes = true }
            for size in [1, 2, 1_000, 70_000, 300_000] {
                let sent = pattern(size, seed: size)
                // The client has one thread, and reads after sending everything: meanwhile the
                // stream must buffer what the kernel doesn't.
                try await pair.peer.send(sent)
                #expect(try await pair.peer.read(size) == sent)
            }
            try await pair.close()
        }
    }

    /// Appends data of all sizes in a turn, before and after the kernel's buffer is full, also
    /// beside another stream that is corked. This test once found bytes that overtook others.
    @Test("Keeps order and loses nothing while the reader is slow", arguments: Kind.allCases)
    func slowReader(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
            let other = try await makePair(kind, on: group.loops[0])
            var random = SplitMix(7)
            var expected: [UInt8] = []
            var turns: [[Int]] = []
            for _ in 0..<40 {
                turns.append(
                    (0..<8).map { _ in
                        let most: UInt64 = [16, 2_000, 100_000, 400_000][Int(random.next() % 4)]
                        return Int(1 + random.next() % most)
                    })
            }
            for turn in turns {
                let start = expected.count
                expected += pattern(turn.reduce(0, +), seed: start)
                let bytes = Array(expected[start...])
                try await pair.loop.run {
                    var position = 0
                    for (index, size) in turn.enumerated() {
                        #expect(pair.stream.put(Array(bytes[position..<position + size])))
                        position += size
                        if index % 3 == 0 { other.stream.put([1]) }
                    }
                }
            }
            let queued = try await pair.loop.run { pair.stream.outboxCount }
            #expect(queued > 0)
            #expect(queued <= expected.count)
            #expect(try await pair.peer.read(expected.count, within: .seconds(60)) == expected)
            try await pair.stream.events.next { $0 == .shrank(0) }
            #expect(try await pair.loop.run { !pair.stream.hasOutbox })
            try await pair.close()
            try await other.close()
        }
    }

    @Test("A header and a large payload follow the appended data", arguments: Kind.allCases)
    func gatheredWrites(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
            let payload = pattern(500_000)
            var expected: [UInt8] = []
            for turn in 0..<6 {
                expected += [1, 2, 3] + [9, 9] + payload + [4] + payload + [UInt8(turn)]
            }
            try await pair.loop.run {
                for turn in 0..<6 {
                    pair.stream.put([1, 2, 3])
                    pair.stream.write([9, 9], payload)
                    pair.stream.write([4], payload)
                    pair.stream.put([UInt8(turn)])
                }
            }
            #expect(try await pair.peer.read(expected.count, within: .seconds(60)) == expected)
            try await pair.close()
        }
    }

    @Test("Data that is sent at once follows the appended data", arguments: Kind.allCases)
    func writesNow(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
            let payload = pattern(500_000)
            var expected: [UInt8] = []
            for turn in 0..<6 { expected += [1, 2, 3] + payload + [9] + [UInt8(turn)] }
            try await pair.loop.run {
                for turn in 0..<6 {
                    pair.stream.put([1, 2, 3])
                    payload.withUnsafeBytes { pair.stream.writeNow($0) }
                    [9 as UInt8].withUnsafeBytes { pair.stream.writeNow($0) }
                    pair.stream.put([UInt8(turn)])
                }
            }
            #expect(try await pair.peer.read(expected.count, within: .seconds(60)) == expected)
            try await pair.close()
            try await pair.loop.run { payload.withUnsafeBytes { pair.stream.writeNow($0) } }
        }
    }

    @Test("A pause leaves data to the kernel, resuming delivers it", arguments: Kind.allCases)
    func pausing(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0])
            try await pair.loop.run { pair.stream.stopPolling() }
            try await pair.peer.send("unseen")
            for _ in 0..<10 { try await pair.loop.run {} }
            #expect(pair.stream.events.all.isEmpty)
            try await pair.loop.run { pair.stream.startPolling() }
            #expect(try await pair.stream.receivedBytes(count: 6) == Array("unseen".utf8))
            try await pair.close()
        }
    }

    @Test("A pause ends the polling with the next event, and not before", arguments: Kind.allCases)
    func pausedPolling(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0])
            let isPolled = { @Sendable in
                try await pair.loop.run { pair.loop.polls(pair.stream.descriptor) }
            }
            try await pair.loop.run { pair.stream.stopPolling() }
            #expect(try await isPolled())
            try await pair.peer.send("unseen")
            try await within { while try await isPolled() {} }
            #expect(pair.stream.events.all.isEmpty)
            try await pair.loop.run { pair.stream.startPolling() }
            #expect(try await pair.stream.receivedBytes(count: 6) == Array("unseen".utf8))
            #expect(try await isPolled())
            try await pair.close()
        }
    }

    @Test(
        "A half-closed peer still receives its answer, and then the end", arguments: Kind.allCases)
    func halfClose(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0])
            try await pair.loop.run { pair.stream.echoes = true }
            let sent = pattern(200_000)
            async let reply = pair.peer.readToEnd()
            try await pair.peer.send(sent)
            await pair.peer.finishSending()
            #expect(try await reply == sent)
            #expect(pair.stream.ends == [.endOfFile])
            try await pair.close()
        }
    }

    @Test("The end of the stream follows all queued data", arguments: Kind.allCases)
    func finishWithOutbox(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
            let sent = pattern(3_000_000)
            try await pair.loop.run {
                pair.stream.put(sent)
                pair.stream.finishWriting()
                #expect(!pair.stream.put([1]))
            }
            #expect(try await pair.peer.readToEnd(within: .seconds(60)) == sent)
            try await pair.peer.send("still read")
            #expect(try await pair.stream.receivedBytes(count: 10) == Array("still read".utf8))
            try await pair.close()
        }
    }

    @Test("Nothing can be appended after the end of the stream in the same turn")
    func appendAfterFinish() async throws {
        try await withLoops { group in
            let pair = try await makePair(.tcp, on: group.loops[0])
            try await pair.loop.run {
                #expect(pair.stream.put([1]))
                pair.stream.finishWriting()
                #expect(!pair.stream.put([2]))
            }
            #expect(try await pair.peer.readToEnd() == [1])
            try await pair.close()
        }
    }

    enum Moment: String, CaseIterable, Sendable { case idle, corked, queued, finishing, paused }

    private static func bring(_ stream: RecordingStream, to moment: Moment) {
        switch moment {
        case .idle: break
        case .corked: stream.put([1, 2, 3])
        case .queued: stream.put(pattern(8_000_000))
        case .finishing:
            stream.put(pattern(8_000_000))
            stream.finishWriting()
        case .paused: stream.stopPolling()
        }
    }

    @Test(
        "Closing and resetting release everything, in every state",
        arguments: Kind.allCases, Moment.allCases)
    func closing(kind: Kind, moment: Moment) async throws {
        for resets in [false, true] {
            try await withLoops { group in
                let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
                try await pair.loop.run {
                    Self.bring(pair.stream, to: moment)
                    if resets { pair.stream.resetHandle() } else { pair.stream.closeHandle() }
                    #expect(!pair.stream.put([1]))
                    pair.stream.closeHandle()
                }
                try await pair.stream.events.next { $0 == .closed }
                let isLast = pair.stream.events.all.firstIndex(of: .closed)
                #expect(isLast == pair.stream.events.all.count - 1)
                _ = try await pair.peer.readToEnd(orReset: true)
                await pair.peer.close()
            }
        }
    }

    @Test("Reads that fill their buffers continue beyond those of one event, and after a pause")
    func manyReads() async throws {
        try await withLoops { group in
            let pair = try await makePair(.tcp, on: group.loops[0])
            let sent = pattern(100)
            try await pair.loop.run { pair.loop.readSize = 1 }
            try await pair.peer.send(sent)
            #expect(try await pair.stream.receivedBytes(count: 100) == sent)
            #expect(
                pair.stream.events.all.allSatisfy {
                    if case .received(let bytes) = $0 { bytes.count == 1 } else { false }
                })
            try await pair.loop.run {
                pair.stream.stopPolling()
                pair.stream.startPolling()
            }
            try await pair.peer.send(sent)
            #expect(try await pair.stream.receivedBytes(count: 100) == sent)
            try await pair.close()
        }
    }

    @Test("Data that arrived before a peer's reset is still received")
    func lastWords() async throws {
        try await withLoops { group in
            let pair = try await makePair(.tcp, on: group.loops[0])
            // The loop sees both at once.
            let gate = DispatchSemaphore(value: 0)
            pair.loop.execute { gate.wait() }
            try await pair.peer.send("last words")
            await pair.peer.reset()
            gate.signal()
            #expect(try await pair.stream.receivedBytes(count: 10) == Array("last words".utf8))
            let event = try await pair.stream.events.next()
            if case .ended(let error) = event {
                #expect(error.isConnectionReset)
            } else {
                Issue.record("\(event)")
            }
            try await pair.close()
        }
    }

    @Test("A peer's reset is reported once, in every state", arguments: Moment.allCases)
    func peerResets(moment: Moment) async throws {
        try await withLoops { group in
            let pair = try await makePair(.tcp, on: group.loops[0], receiveBuffer: 4_096)
            try await pair.loop.run { Self.bring(pair.stream, to: moment) }
            await pair.peer.reset()
            if moment == .paused {
                // The reset is only noticed by a write.
                _ = try await pair.loop.run { pair.stream.put(pattern(1_000)) }
                _ = try await pair.loop.run { pair.stream.put(pattern(1_000)) }
            }
            try await pair.stream.events.next {
                if case .ended(let error) = $0 { error.isConnectionReset } else { false }
            }
            try await pair.close()
            try await pair.stream.events.next { $0 == .closed }
            #expect(pair.stream.ends.count == 1)
        }
    }

    @Test("A failed write is reported once, after the writing code has returned")
    func writeFailure() async throws {
        try await withLoops { group in
            let pair = try await makePair(.unix, on: group.loops[0])
            try await pair.loop.run { pair.stream.stopPolling() }
            await pair.peer.close()
            try await pair.loop.run {
                for _ in 0..<5 {
                    pair.stream.put([1, 2, 3])
                    pair.stream.flushIfCorked()
                }
                #expect(pair.stream.events.all.isEmpty)
                #expect(!pair.stream.isOpen)
            }
            let event = try await pair.stream.events.next()
            #expect(event == .ended(TransportError(code: UV_EPIPE.rawValue, operation: "write")))
            try await pair.close()
            #expect(try await pair.stream.events.next() == .closed)
        }
    }
}

extension RecordingStream {
    func write(_ header: [UInt8], _ payload: [UInt8]) {
        header.withUnsafeBytes { header in
            payload.withUnsafeBytes { write(header: header, payload: $0) }
        }
    }
}
