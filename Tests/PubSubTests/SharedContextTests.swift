import TestSupport
import Testing
import WebSocketProtocol

@testable import PubSub

@Suite("Shared-context compression") struct SharedContextTests {
    /// A small generator of bytes (the high bits of an LCG), so that failures are reproducible.
    final class Choices {
        private var state: UInt64

        init(seed: UInt64) { state = seed }

        func next() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    static let runs = DeflateEngine.available.flatMap { engine in
        [UInt64](1...2).map { (engine, $0) }
    }

    @Test("Every decompressor returns the published text, whatever else happens", arguments: runs)
    func inflates(engine: DeflateEngine, seed: UInt64) {
        let world = SharedContextWorld(engine: engine)
        let choices = Choices(seed: seed)
        var script = SharedContextScript(world, readersMax: 200, choose: choices.next)
        for _ in 0..<200 { script.join() }
        while world.publications < 2_000, world.faults.isEmpty {
            script.step()
            if world.publications % 64 == 0 { world.checkIdentity() }
        }
        world.end()
        #expect(world.faults == [])
        #expect(world.compressedDeliveries > 50_000)
    }

    /// Counts the compressed texts, and returns the first half of the payload.
    private func halving() -> (contexts: SharedContexts, histories: () -> [Int]) {
        final class Calls { var histories: [Int] = [] }
        let calls = Calls()
        let contexts = SharedContexts(windowBits: 12) { payload, history, _, _ in
            calls.histories.append(history.count)
            return UnsafeRawBufferPointer(rebasing: payload[..<(payload.count / 2)])
        }
        return (contexts, { calls.histories })
    }

    private func publication(_ size: Int) -> Publication {
        Publication([UInt8](repeating: 7, count: size).span.bytes, as: .binary, to: "t")
    }

    @Test("Nothing is compressed without a reader, and nothing twice")
    func laziness() {
        let (contexts, histories) = halving()
        do { _ = contexts.encoder(for: publication(100), level: 1) { $0.add(nil) } }
        #expect(histories() == [])
        do {
            let encoder = contexts.encoder(for: publication(100), level: 1) { readers in
                for _ in 0..<5 { readers.add(nil) }
            }
            let first = encoder.frame(after: nil)
            for _ in 0..<4 {
                let other = encoder.frame(after: nil)
                #expect(other.frame === first.frame)
                #expect(other.context === first.context)
            }
            let standalone = encoder.standaloneFrame(windowBits: 12)
            #expect(standalone === first.frame)
            let context = encoder.contextAfterStandaloneFrame()
            #expect(context === first.context)
            #expect(first.context != nil)
        }
        #expect(histories() == [0])
    }

    @Test("A publication that is too short to shrink isn't compressed", arguments: 0...6)
    func short(size: Int) {
        let (contexts, histories) = halving()
        let publication = publication(size)
        let encoder = contexts.encoder(for: publication, level: 1) { $0.add(nil) }
        let (frame, context) = encoder.frame(after: nil)
        #expect(frame.isCompressed == (size > 4))
        #expect((context == nil) == (size < 5))
        #expect(frame.isCompressed || frame.bytes.elementsEqual(publication.frame))
        #expect(histories() == (size < 5 ? [] : [0]))
    }

    @Test("A context holds the ends of the publications that fill the window")
    func filling() {
        let (contexts, histories) = halving()
        var context: SharedContext?
        func publish(_ size: Int) -> Int {
            let encoder = contexts.encoder(for: publication(size), level: 1) { $0.add(context) }
            context = encoder.frame(after: context).context
            return histories().last!
        }
        #expect([1_000, 1_000, 2_000, 50].map(publish) == [0, 1_000, 2_000, 4_000])
        #expect(publish(50) == 4_050)
        #expect(publish(50) == 4_096)
        // The context has 4,150 bytes; without the oldest publication, it would have too few.
        #expect(context?.parts.count == 6)
        #expect(publish(1_000) == 4_096)
        #expect(context?.parts.count == 6)
        #expect(publish(1 << 20) == 4_096)
        #expect(context?.parts.count == 1)
        #expect(context?.size == 4_096)
        #expect(publish(5) == 4_096)
        #expect(context?.parts.count == 2)
        for _ in 0..<200 { #expect(publish(5) > 600) }
        #expect(context?.parts.count == 128)
        #expect(contexts.liveContexts == 1)
        context = nil
        #expect(contexts.liveContexts == 0)
    }

    @Test("An incompressible publication is sent plain, and changes nothing")
    func incompressible() {
        var shrinks = true
        let contexts = SharedContexts(windowBits: 12) { payload, _, _, _ in
            shrinks ? UnsafeRawBufferPointer(rebasing: payload[..<9]) : nil
        }
        var context: SharedContext?
        for round in 0..<4 {
            shrinks = round % 2 == 0
            let encoder = contexts.encoder(for: publication(300), level: 1) { readers in
                readers.add(context)
                readers.add(nil)
            }
            let (frame, next) = encoder.frame(after: context)
            #expect(frame.isCompressed == shrinks)
            #expect((next === context) != shrinks)
            let afterStandalone = encoder.contextAfterStandaloneFrame()
            #expect((afterStandalone != nil) == shrinks)
            #expect(!contexts.plain().isCompressed)
            context = next
        }
    }
}
