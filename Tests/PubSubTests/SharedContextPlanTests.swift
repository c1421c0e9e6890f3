import Testing
import WebSocketProtocol

@testable import PubSub

@Suite("Plan of a publication's encodings") struct SharedContextPlanTests {
    typealias Depth = EncodingPlan.Depth

    /// Returns the plan for groups of readers, each with the publication that it got last.
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
            #expect(!plan.includesStandalone)
        }
    }

    @Test("Nobody: nothing")
    func nobody() {
        #expect(plan([]).encodings == 0)
        let unknown = plan([], unknown: 3)
        #expect(unknown.encodings == 1)
        #expect(unknown.includesStandalone)
    }

    @Test("the largest contexts, then what many got last, then a standalone encoding for the rest")
    func mixed() {
        let plan = plan([(300, 0), (2, 1), (200, 2), (40, 3), (40, 3), (40, 3)], unknown: 5)
        #expect(depths(plan) == [.deep, .standalone, .deep, .last, .last, .last])
        #expect(plan.encodings == 4)
        #expect(plan.includesStandalone)
    }

    @Test("Many small contexts with the same last publication share it, and the largest go deeper")
    func last() {
        let plan = plan([(60, 0), (50, 0), (40, 0)] + Array(repeating: (30, 0), count: 20))
        #expect(depths(plan) == [.deep, .deep, .deep] + Array(repeating: .last, count: 20))
        #expect(plan.encodings == 4)
        #expect(!plan.includesStandalone)
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

    @Test("the last encoding is the standalone one, unless no reader needs it")
    func lastSlot() {
        let four = [(9, 0), (8, 1), (7, 2), (6, 3)]
        #expect(depths(plan(four)) == [.deep, .deep, .deep, .deep])
        let withUnknown = plan(four, unknown: 1)
        #expect(depths(withUnknown) == [.deep, .deep, .deep, .standalone])
        #expect(withUnknown.encodings == 4)
    }

    @Test("An encoding for one reader must be worthwhile")
    func single() {
        // The second encoding replaces the standalone one.
        #expect(depths(plan([(900, 0), (1, 1)])) == [.deep, .deep])
        // The second encoding doesn't pay: 48 of 128 B are worth less than 3.6 µs.
        #expect(depths(plan([(900, 0), (1, 1)], unknown: 9)) == [.deep, .standalone])
        #expect(depths(plan([(900, 0), (2, 1)], unknown: 9)) == [.deep, .deep])
        // It pays: 384 of 1,024 B are worth more than 6.4 µs.
        #expect(depths(plan([(900, 0), (1, 1)], unknown: 9, payload: 1_024)) == [.deep, .deep])
        // A long payload saves no more bytes, and takes long to compress.
        #expect(
            depths(plan([(900, 0), (2, 1)], unknown: 9, payload: 65_536)) == [.deep, .standalone])
    }

    @Test("readers that were not counted share an encoding that there is, and never get a fifth")
    func late() {
        var full = plan([(9, 0), (8, 1), (7, 2), (6, 3)])
        let hasRoom = full.takesStandalone()
        #expect(!hasRoom)
        #expect(full.encodings == 4)
        var some = plan(Array(repeating: (2, 0), count: 9))
        #expect(some.depth(last: 0) == .last)
        #expect(some.encodings == 1)
        #expect(!some.includesStandalone)
        let takesStandalone = some.takesStandalone()
        #expect(takesStandalone)
        #expect(some.encodings == 2)
    }
}
