import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// Every input of the lifecycle in every stage.
@Suite("Connection lifecycle") struct ConnectionLifecycleTests {
    typealias Stage = ConnectionLifecycle.Stage

    /// For each input, the action and the stage after it, from each stage in their order.
    static let table: [(Input, [(String, Stage)])] = [
        (
            .bytes,
            [
                ("parseHTTP", .opening), ("parseFrames", .open), ("parseFrames", .closing),
                ("drop", .lingering), ("drop", .over),
            ]
        ),
        (
            .outboxLow,
            [
                ("HTTP, low", .opening), ("sendBacklog", .open), ("sendBacklog", .closing),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .outboxFull,
            [
                ("HTTP", .opening), ("none", .open), ("none", .closing), ("none", .lingering),
                ("none", .over),
            ]
        ),
        (
            .outboxEmptyBehindEnd,
            [
                ("HTTP, low", .opening), ("sendBacklog", .open), ("sendBacklog", .closing),
                ("terminate", .lingering), ("none", .over),
            ]
        ),
        (
            .close,
            [
                ("terminate", .opening), ("send 1000", .closing), ("none", .closing),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .peerCloses,
            [
                ("none", .opening), ("send 4000, linger", .lingering), ("linger", .lingering),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .answer,
            [
                ("none", .opening), ("linger", .lingering), ("linger", .lingering),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .fault,
            [
                ("none", .opening), ("send 1002, linger", .lingering), ("linger", .lingering),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .slowConsumer,
            [
                ("none", .opening), ("send 4008, linger", .lingering), ("none", .closing),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .slowConsumerUntold,
            [
                ("none", .opening), ("reset", .lingering), ("none", .closing),
                ("none", .lingering), ("none", .over),
            ]
        ),
        (
            .memory,
            [
                ("refuse", .opening), ("send 1013, linger", .lingering), ("reset", .lingering),
                ("reset", .lingering), ("none", .over),
            ]
        ),
        (
            .memoryUntold,
            [
                ("reset", .lingering), ("reset", .lingering), ("reset", .lingering),
                ("reset", .lingering), ("none", .over),
            ]
        ),
        (
            .linger,
            [
                ("linger", .lingering), ("linger", .lingering), ("linger", .lingering),
                ("linger", .lingering), ("none", .over),
            ]
        ),
        (
            .endOfFile,
            [
                ("terminate", .opening), ("terminate", .open), ("terminate", .closing),
                ("terminate", .lingering), ("none", .over),
            ]
        ),
        (
            .endOfFileWithOutbox,
            [
                ("linger", .lingering), ("linger", .lingering), ("linger", .lingering),
                ("linger", .lingering), ("none", .over),
            ]
        ),
        (
            .failure,
            [
                ("terminate", .opening), ("terminate", .open), ("terminate", .closing),
                ("terminate", .lingering), ("none", .over),
            ]
        ),
        (
            .terminate,
            [
                ("terminate", .over), ("terminate", .over), ("terminate", .over),
                ("terminate", .over), ("none", .over),
            ]
        ),
        (
            .tick,
            [
                ("HTTP", .opening), ("keep", .open), ("timed out: close", .closing),
                ("timed out: close", .lingering), ("none", .over),
            ]
        ),
        (
            .tickWhileTaking,
            [
                ("HTTP", .opening), ("keep", .open), ("wait", .closing), ("wait", .lingering),
                ("none", .over),
            ]
        ),
        (
            .tickAtEndOfLife,
            [
                ("HTTP", .opening), ("timed out: lifetime", .open), ("timed out: close", .closing),
                ("timed out: close", .lingering), ("none", .over),
            ]
        ),
        (
            .drained,
            [
                ("none", .opening), ("report", .open), ("none", .closing), ("none", .lingering),
                ("none", .over),
            ]
        ),
        (
            .rate,
            [
                ("none", .opening), ("pause for messageRate", .open), ("none", .closing),
                ("none", .lingering), ("none", .over),
            ]
        ),
    ]

    @Test("Each input has one outcome in each stage")
    func outcomes() {
        #expect(Self.table.map(\.0) == Input.allCases)
        for (input, row) in Self.table {
            for (stage, (action, next)) in zip(Stage.allCases, row) {
                var lifecycle = LifecycleWorld.lifecycle(in: stage) { $0.messageRateMax = 1 }
                let given = input.give(to: &lifecycle)
                #expect(given == action, "\(input) while \(stage)")
                #expect(lifecycle.stage == next, "\(input) while \(stage)")
            }
        }
    }

    @Test("Stages never go back, ends are reported once, and deadlines lie ahead")
    func property() {
        var generator = SplitMix(11)
        for _ in 0..<2_000 {
            var lifecycle = LifecycleWorld.lifecycle(in: .open, heartbeat: Heartbeat()) {
                $0.messageRateMax = 4
            }
            var (now, reports) = (LifecycleWorld.start, 0)
            let endOfLife = now + .random(in: 0...800_000, using: &generator)
            for _ in 0..<40 {
                let before = lifecycle.stage
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<6:
                    now += .random(in: 0...20_000, using: &generator)
                    let action = lifecycle.tick(
                        now: now, holdsContext: .random(using: &generator), endOfLife: endOfLife,
                        takesSome: { .random(using: &generator) })
                    switch action {
                    case .keep(_, let next?): #expect(next > now && next <= endOfLife)
                    case .keep(_, nil): Issue.record("the end of its life is forgotten")
                    case .timedOut(.lifetime): #expect(now >= endOfLife)
                    case .wait(let deadline): #expect(deadline > now)
                    default: break
                    }
                case 6: _ = lifecycle.beganAssembly(now: now)
                case 7: if lifecycle.reportEnd() != nil { reports += 1 }
                case 8: _ = lifecycle.charge(messages: 9, bytes: 9, now: now)
                default: _ = Input.allCases.randomElement(using: &generator)!.give(to: &lifecycle)
                }
                #expect(lifecycle.stage.rawValue >= before.rawValue)
                #expect(!lifecycle.mustHold || lifecycle.stage == .open)
                #expect(lifecycle.stage != .over || !lifecycle.wantsReading)
            }
            #expect(reports <= 1)
        }
    }
}
