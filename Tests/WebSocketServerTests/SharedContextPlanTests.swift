import Testing
import WebSocketProtocol

@testable import WebSocketServer

@Suite("The readers of a publication that share an encoding") struct SharedContextPlanTests {
    typealias Depth = EncodingPlan.Depth

    /// The number of readers in each group, and the publication that they received last.
    private func plan(
        _ groups: [(readers: Int, last: Int)], unknown: Int = 0, payload: Int = 128
    ) -> EncodingPlan {
        var plan = EncodingPlan()
        plan.unknownReaders = unknown
        plan.groups = groups.map { .init(readers: $0.readers, last: $0.last) }
        plan.lasts = Array(repeating: .init(), count: (groups.map(\.last).max() ?? -1) + 1)
        plan.decide(payload: payload)
        return plan
    }

    private func depths(_ plan: EncodingPlan) -> [Depth] { plan.groups.map(\.depth) }

    @Test("One context: one deep encoding, for few readers or many")
    func oneContext() {
        for readers in [1, 2, 1_000] {
            let plan = plan([(readers, 0)])
            #expect(depths(plan) == [.deep])
            #expect(plan.encodings == 1)
            #expect(!plan.includesCold)
        }
    }

    @Test("Nobody: nothing")
    func nobody() {
        #expect(plan([]).encodings == 0)
        let cold = plan([], unknown: 3)
        #expect(cold.encodings == 1)
        #expect(cold.includesCold)
    }

    @Test("The largest contexts, then the most frequent last publication, then the rest cold")
    func mixed() {
        let plan = plan([(300, 0), (2, 1), (200, 2), (40, 3), (40, 3), (40, 3)], unknown: 5)
        #expect(depths(plan) == [.deep, .cold, .deep, .last, .last, .last])
        #expect(plan.encodings == 4)
        #expect(plan.includesCold)
    }

    @Test("Many small contexts with the same last publication share it, and the largest go deeper")
    func last() {
        let plan = plan([(60, 0), (50, 0), (40, 0)] + Array(repeating: (30, 0), count: 20))
        #expect(depths(plan) == [.deep, .deep, .deep] + Array(repeating: .last, count: 20))
        #expect(plan.encodings == 4)
        #expect(!plan.includesCold)
    }

    @Test("An encoding after the last publication isn't for a single context")
    func alone() {
        let two = plan([(30, 0), (30, 0)])
        #expect(depths(two) == [.deep, .deep])
        #expect(two.encodings == 2)
        let four = plan([(30, 0), (30, 0), (30, 0), (30, 0)])
        #expect(depths(four) == [.deep, .deep, .deep, .deep])
        #expect(four.encodings == 4)
        #expect(
            depths(plan([(30, 0), (30, 0), (30, 0), (1, 0), (1, 0)])).suffix(2) == [.last, .last])
    }

    @Test("The last encoding is the cold one, unless nobody needs it")
    func lastSlot() {
        let four = [(9, 0), (8, 1), (7, 2), (6, 3)]
        #expect(depths(plan(four)) == [.deep, .deep, .deep, .deep])
        let withUnknown = plan(four, unknown: 1)
        #expect(depths(withUnknown) == [.deep, .deep, .deep, .cold])
        #expect(withUnknown.encodings == 4)
    }

    @Test("An encoding for one reader must be worthwhile")
    func single() {
        // It replaces the cold one.
        #expect(depths(plan([(900, 0), (1, 1)])) == [.deep, .deep])
        // It isn't worthwhile: 48 of 128 B are less than 3.6 µs.
        #expect(depths(plan([(900, 0), (1, 1)], unknown: 9)) == [.deep, .cold])
        #expect(depths(plan([(900, 0), (2, 1)], unknown: 9)) == [.deep, .deep])
        // 384 of 1,024 B are more than 6.4.
        #expect(depths(plan([(900, 0), (1, 1)], unknown: 9, payload: 1_024)) == [.deep, .deep])
        // A long one saves no more, and takes long.
        #expect(depths(plan([(900, 0), (2, 1)], unknown: 9, payload: 65_536)) == [.deep, .cold])
    }

    @Test("Readers that come after the plan get an existing encoding, and never a fifth one")
    func late() {
        var full = plan([(9, 0), (8, 1), (7, 2), (6, 3)])
        let hasRoom = full.takesCold()
        #expect(!hasRoom)
        #expect(full.encodings == 4)
        var some = plan(Array(repeating: (2, 0), count: 9))
        #expect(some.depth(last: 0) == .last)
        #expect(some.encodings == 1)
        #expect(!some.includesCold)
        let takesCold = some.takesCold()
        #expect(takesCold)
        #expect(some.encodings == 2)
    }
}
