import LiveTesting
import Synchronization
import Testing

@testable import UVTransport

@Suite("TLS handshakes")
struct TLSHandshakesTests {
    @Test("Handshakes get a share of a turn, and continue in the next one")
    func time() async throws {
        let group = try EventLoopGroup(count: 1)
        let loop = group.loops[0]
        let (before, after, later): (Bool, Bool, Bool) = await withCheckedContinuation { result in
            loop.execute {
                let handshakes = TLSHandshakes(max: 1, answerToPlainText: []) { _, _ in }
                let before = handshakes.hasTime(on: loop)
                handshakes.timed(on: loop) {
                    let end = loop.nanoseconds + 3_000_000
                    while loop.nanoseconds < end {}
                }
                let after = handshakes.hasTime(on: loop)
                let held = Held(handshakes)
                loop.executeLater {
                    result.resume(returning: (before, after, held.handshakes.hasTime(on: loop)))
                }
            }
        }
        #expect(before && !after && later)
        _ = group.shutdown()
    }
}

/// Carries the handshakes to a later turn of their own loop.
private struct Held: @unchecked Sendable {
    let handshakes: TLSHandshakes

    init(_ handshakes: TLSHandshakes) { self.handshakes = handshakes }
}
