import Testing
import LiveTesting

@testable import UVTransport

@Suite struct UndeliveredTests {
    @Test(
        "Reports whether the peer has received some of the pending data", arguments: Kind.allCases)
    func undelivered(kind: Kind) async throws {
        try await withLoops { group in
            let pair = try await makePair(kind, on: group.loops[0], receiveBuffer: 4_096)
            let nothing = try await pair.loop.run { Undelivered(on: pair.stream) == nil }
            #expect(nothing)
            for size in [200_000, 8_000_000] {
                let isIgnored = try await pair.loop.run {
                    pair.stream.put(pattern(size))
                    return Undelivered(on: pair.stream, ignoring: 100_000_000) == nil
                }
                #expect(isIgnored)
                let noted = try await pair.loop.run {
                    pair.stream.flushIfCorked()
                    return Undelivered(on: pair.stream)
                }
                var undelivered = try #require(noted)
                // The peer's kernel accepts what fits into its buffer, and nothing more.
                var again = true
                while again { (undelivered, again) = try await Self.look(undelivered, pair) }
                for _ in 0..<3 {
                    let before = try await pair.loop.run { pair.stream.undeliveredCount }
                    _ = try await pair.peer.read(50_000)
                    try await within {
                        while try await pair.loop.run({ pair.stream.undeliveredCount }) >= before {}
                    }
                    (undelivered, again) = try await Self.look(undelivered, pair)
                    #expect(again && !undelivered.isEmpty)
                }
                _ = try await pair.peer.read(size - 150_000)
                try await within {
                    while try await pair.loop.run({ pair.stream.undeliveredCount }) > 0 {}
                }
                (undelivered, again) = try await Self.look(undelivered, pair)
                #expect(again && undelivered.isEmpty)
                // Data that is sent later doesn't count.
                try await pair.loop.run { _ = pair.stream.put([1]) }
                _ = try await pair.peer.read(1)
                (undelivered, again) = try await Self.look(undelivered, pair)
                #expect(!again)
            }
            try await pair.close()
        }
    }

    private static func look(
        _ undelivered: Undelivered, _ pair: Pair
    ) async throws -> (Undelivered, Bool) {
        try await pair.loop.run {
            var undelivered = undelivered
            let isLess = undelivered.update(from: pair.stream)
            return (undelivered, isLess)
        }
    }
}
