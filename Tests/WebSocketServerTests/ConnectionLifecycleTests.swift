import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// Every input of the lifecycle in every stage.
@Suite("Connection lifecycle") struct ConnectionLifecycleTests {
    typealias Stage = ConnectionLifecycle.Stage

    enum Input: CaseIterable, Sendable {
        case bytes
        case outboxLow, outboxFull, outboxEmptyBehindEnd
        case close, peerCloses, answer
        case fault, slowConsumer, slowConsumerUntold, memory, memoryUntold
        case linger
        case endOfFile, endOfFileWithOutbox, failure
        case terminate
        case tick, tickWhileTaking
        case drained, rate

        /// Gives the input to a lifecycle, and describes the action that it returns.
        func give(to lifecycle: inout ConnectionLifecycle) -> String {
            let (now, fault) = (LifecycleWorld.start, SessionFault(.protocolError, "a fault"))
            switch self {
            case .bytes: return "\(lifecycle.received(now: now))"
            case .outboxLow: return shrink(&lifecycle, to: 0)
            case .outboxFull: return shrink(&lifecycle, to: 1 << 20)
            case .outboxEmptyBehindEnd: return shrink(&lifecycle, to: 0, hasEnded: true)
            case .close: return name(lifecycle.close(.normalClosure, now: now))
            case .peerCloses: return name(lifecycle.peerClosed(4_000, now: now))
            case .answer: return name(lifecycle.answer(now: now))
            case .fault: return end(&lifecycle, .fault(fault))
            case .slowConsumer: return end(&lifecycle, .slowConsumer)
            case .slowConsumerUntold: return end(&lifecycle, .slowConsumer, isTold: false)
            case .memory: return end(&lifecycle, .memory)
            case .memoryUntold: return end(&lifecycle, .memory, isTold: false)
            case .linger: return lifecycle.linger(now: now) == nil ? "none" : "linger"
            case .endOfFile: return end(&lifecycle, isEndOfFile: true, hasOutbox: false)
            case .endOfFileWithOutbox: return end(&lifecycle, isEndOfFile: true, hasOutbox: true)
            case .failure: return end(&lifecycle, isEndOfFile: false, hasOutbox: true)
            case .terminate: return lifecycle.terminate() ? "terminate" : "none"
            case .tick: return tick(&lifecycle, takesSome: false)
            case .tickWhileTaking: return tick(&lifecycle, takesSome: true)
            case .drained:
                lifecycle.reportedBackpressure()
                return lifecycle.drained() ? "report" : "none"
            case .rate:
                let action = lifecycle.charge(messages: 1 << 20, bytes: 0, now: now)
                if case .pause(let limit) = action { return "pause for \(limit)" }
                return action == .none ? "none" : "\(action)"
            }
        }

        private func shrink(
            _ lifecycle: inout ConnectionLifecycle, to count: Int, hasEnded: Bool = false
        ) -> String {
            let action = lifecycle.outboxShrank(
                to: count, hasEnded: hasEnded, now: LifecycleWorld.start)
            if case .continueHTTP(let isLow) = action { return isLow ? "HTTP, low" : "HTTP" }
            return "\(action)"
        }

        private func end(
            _ lifecycle: inout ConnectionLifecycle, _ cause: ConnectionLifecycle.EndCause,
            isTold: Bool = true
        ) -> String {
            name(lifecycle.end(cause, isTold: isTold, now: LifecycleWorld.start))
        }

        private func end(
            _ lifecycle: inout ConnectionLifecycle, isEndOfFile: Bool, hasOutbox: Bool
        ) -> String {
            name(
                lifecycle.streamEnded(
                    isEndOfFile: isEndOfFile, hasOutbox: hasOutbox, now: LifecycleWorld.start))
        }

        /// The tick of a deadline that has just been passed.
        private func tick(
            _ lifecycle: inout ConnectionLifecycle, takesSome: Bool
        ) -> String {
            let now = LifecycleWorld.start
            switch lifecycle.tick(now: now, holdsContext: false, takesSome: { takesSome }) {
            case .none: return "none"
            case .continueHTTP: return "HTTP"
            case .wait(let deadline):
                #expect(deadline == now + LifecycleWorld.closeTimeout)
                return "wait"
            case .keep(let upkeep, _):
                #expect(upkeep.isEmpty)
                return "keep"
            case .timedOut(let timeout): return "timed out: \(timeout)"
            }
        }

        private func name(_ action: ConnectionLifecycle.CloseAction) -> String {
            switch action {
            case .none: return "none"
            case .terminate: return "terminate"
            case .sendClose(let code, let deadline):
                #expect(deadline == LifecycleWorld.start + LifecycleWorld.closeTimeout)
                return "send \(code.rawValue)"
            case .end(let action): return name(action)
            }
        }

        private func name(_ action: ConnectionLifecycle.PeerCloseAction) -> String {
            switch action {
            case .awaitTask: return "await task"
            case .end(let action): return name(action)
            }
        }

        private func name(_ action: ConnectionLifecycle.EndAction) -> String {
            switch action {
            case .none: return "none"
            case .linger(let code, let deadline):
                #expect(deadline == LifecycleWorld.start + LifecycleWorld.closeTimeout)
                return code.map { "send \($0.rawValue), linger" } ?? "linger"
            case .reset: return "reset"
            case .terminate: return "terminate"
            case .refuseRequest: return "refuse"
            }
        }
    }

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
            for _ in 0..<40 {
                let before = lifecycle.stage
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<6:
                    now += .random(in: 0...20_000, using: &generator)
                    let action = lifecycle.tick(
                        now: now, holdsContext: .random(using: &generator),
                        takesSome: { .random(using: &generator) })
                    switch action {
                    case .keep(_, let next?): #expect(next > now)
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
