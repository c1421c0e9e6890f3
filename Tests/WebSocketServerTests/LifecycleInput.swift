import Testing
import WebSocketProtocol

@testable import WebSocketServer

/// The inputs of a lifecycle, and descriptions of the actions that it returns.
extension ConnectionLifecycleTests {
    enum Input: CaseIterable, Sendable {
        case bytes
        case outboxLow, outboxFull, outboxEmptyBehindEnd
        case close, peerCloses, answer
        case fault, slowConsumer, slowConsumerUntold, memory, memoryUntold
        case linger
        case endOfFile, endOfFileWithOutbox, failure
        case terminate
        case tick, tickWhileTaking, tickAtEndOfLife
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
            case .tickAtEndOfLife:
                return tick(&lifecycle, takesSome: false, endOfLife: LifecycleWorld.start)
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
            _ lifecycle: inout ConnectionLifecycle, takesSome: Bool, endOfLife: UInt64 = .max
        ) -> String {
            let now = LifecycleWorld.start
            let action = lifecycle.tick(
                now: now, holdsContext: false, endOfLife: endOfLife, takesSome: { takesSome })
            switch action {
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
}
