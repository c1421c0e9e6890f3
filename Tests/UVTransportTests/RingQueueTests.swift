import Testing
import LiveTesting

@testable import UVTransport

@Suite struct RingQueueTests {
    @Test("Behaves like an array, however it grows and turns", arguments: 0..<20)
    func random(seed: UInt64) {
        var random = SplitMix(seed)
        var queue = RingQueue<Int>()
        var twin: [Int] = []
        for number in 0..<2_000 {
            // Appends are likelier in some stretches, so that the queue grows, and rarer in others.
            let appends = (number / 200).isMultiple(of: 2) ? 3 : 1
            if Int.random(in: 0..<4, using: &random) < appends {
                queue.append(number)
                twin.append(number)
            } else {
                #expect(queue.popFirst() == (twin.isEmpty ? nil : twin.removeFirst()))
            }
            #expect(queue.first == twin.first)
            #expect(queue.count == twin.count)
            #expect(queue.isEmpty == twin.isEmpty)
            #expect(queue.capacity >= queue.count)
        }
        while let element = queue.popFirst() { #expect(element == twin.removeFirst()) }
        #expect(twin.isEmpty)
    }

    @Test("An element that is taken out is kept alive by nobody else")
    func release() {
        final class Element {}
        var queue = RingQueue<Element>()
        weak var first: Element?
        do {
            let element = Element()
            first = element
            queue.append(element)
            queue.append(Element())
        }
        #expect(first != nil)
        _ = queue.popFirst()
        #expect(first == nil)
        #expect(queue.count == 1)
    }
}
