import UVTransport
import WebSocketProtocol

/// The deadlines of a connection: its one timer serves all stages.
extension ConnectionCore {
    /// Schedules the deadline of the present stage.
    func setStageDeadline(_ deadline: UInt64) { loop.schedule(self, at: deadline) }

    /// Schedules the next check of an open connection: for a ping, its pong, or idleness.
    func scheduleHeartbeat() {
        schedule(
            lifecycle.nextDeadline(
                holdsContext: holdsContext, endOfLife: resources.registry.endOfLife(of: id),
                now: loop.now))
    }

    private func schedule(_ deadline: UInt64?) {
        if let deadline { loop.schedule(self, at: deadline) } else { loop.cancel(self) }
    }

    private var holdsContext: Bool { compression?.hasSendContext ?? false }

    /// Notes that part of a message is kept from now on.
    func beganAssembly() {
        loop.schedule(self, noLaterThan: lifecycle.beganAssembly(now: loop.now))
    }

    /// Performs the actions that are due at `now`.
    func passDeadline(now: UInt64) {
        let action = lifecycle.tick(
            now: now, holdsContext: holdsContext,
            endOfLife: resources.registry.endOfLife(of: id), takesSome: { hasTakenSome() })
        switch action {
        case .none: break
        case .continueHTTP: opening?.deadlinePassed(on: self)
        case .wait(let deadline): setStageDeadline(deadline)
        case .keep(let upkeep, let deadline):
            keepOpen(upkeep)
            schedule(deadline)
        case .timedOut(let timeout): timedOut(timeout)
        }
    }

    private func keepOpen(_ upkeep: ConnectionLifecycle.Upkeep) {
        if upkeep.contains(.releaseContext) { compression?.releaseSendContext() }
        if upkeep.contains(.resumeReading) { setReadingPaused(false, .rate) }
        if upkeep.contains(.sendPing) {
            noteUndelivered()
            resources.counters.pingsSent += 1
            unsafe sendControl(.ping, UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    private func timedOut(_ timeout: ConnectionLifecycle.Timeout) {
        switch timeout {
        case .lifetime:
            resources.counters.lifetimesOver += 1
            beginClosing(.serviceRestart, "lifetime")
        case .idle:
            resources.counters.idleTimeouts += 1
            beginClosing(.goingAway, "idle timeout")
        case .authentication:
            resources.counters.limits.hit(.authenticationTime)
            beginClosing(.unauthorized, "authentication timeout")
        case .message:
            end(
                .fault(
                    SessionFault(
                        .policyViolation, "a message took too long to arrive", limit: .messageTime))
            )
        case .heartbeat:
            resources.counters.heartbeatTimeouts += 1
            resources.logger.debug(
                "peer is dead", metadata: ["connection": "\(id)", "peer": "\(peer)"])
            end(.fault(SessionFault(.internalError, "heartbeat timeout")))
        case .close:
            resources.counters.closeTimeouts += 1
            // A peer that is gone gets no more; one that only doesn't answer has all that was sent.
            terminate(reason: "close timeout", reset: isUnacknowledged)
        }
    }

    /// Takes over other options, after a reload: limits, rates and timers hold from now on. The
    /// compression that was negotiated stays.
    func replaceOptions(_ options: SessionOptions) {
        lifecycle.replaceOptions(options, now: loop.now)
        switch stage {
        case .opening: opening?.settingsChanged()
        case .open:
            // The limits before authentication are the guards' own, which have changed already.
            if guards?.limits == nil {
                unsafe session.replaceLimits(by: options.sessionLimits)
            }
            scheduleHeartbeat()
        case .closing, .lingering, .over: break
        }
    }

    /// Lifts the limits of a peer that had not authenticated. The usual limits hold from its next
    /// frame on.
    func markAuthenticated() {
        guard lifecycle.mayAwaitAuthentication else { return }
        guard holdPlace() else {
            resources.counters.refusedByLimit += 1
            resources.warnings.crowded.log(["peer": "\(peer)"], kind: 1_008)
            return beginClosing(.policyViolation, Self.tooManyConnections)
        }
        lifecycle.markAuthenticated()
        scheduleHeartbeat()
    }
}
