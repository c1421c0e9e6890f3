import UVTransport
import WebSocketProtocol

/// The closing handshake (RFC 6455 §7), failures, and deadlines.
extension ConnectionCore {
    /// Sends our Close frame and waits for the peer's, within the close timeout.
    func beginClosing(_ code: CloseCode, _ reason: String) {
        switch unsafe stage {
        case .open:
            guard let code = unsafe closing.close(code) else { return }
            // What was sent before still goes out.
            if let subscriber = unsafe subscriber {
                context.topics?.resume(subscriber, all: true)
            }
            context.closeReasons[id] = reason
            sendControl(.close, code, reason)
            enter(.closing)
            // A reader at rest would never see the peer's Close frame. If that is among what is
            // held, the connection is over when this returns.
            resumeReadingForGood()
        case .opening: terminate()
        case .closing, .lingering, .over: return
        }
    }

    /// The peer's Close frame came: answer it, and end the connection once that is sent.
    func peerClosed(_ code: CloseCode?, _ reason: String) {
        if let answer = unsafe closing.receive(code) {
            context.closeReasons[id] = reason
            sendControl(.close, answer, "")
        }
        // What the kernel doesn't take now is the outbox's, and outlives this call.
        flushIfCorked()
        // §7.1.1: the server closes the TCP connection first, the client waits for it.
        if role == .server, outboxCount == 0 {
            terminate()
        } else {
            linger(finishing: role == .server)
        }
    }

    /// Fails the connection (§7.1.7): the one place where a peer's fault becomes a close code.
    func fail(_ fault: SessionFault) {
        context.counters.failed(fault.code)
        if let limit = fault.limit { context.counters.limits.hit(limit) }
        context.logger.debug(
            "connection failed",
            metadata: [
                "connection": "\(id)", "peer": "\(peer)", "code": "\(fault.code.rawValue)",
                "reason": "\(fault.reason)",
            ])
        if let code = unsafe closing.close(fault.code) {
            context.closeReasons[id] = fault.reason
            sendControl(.close, code, fault.reason)
        }
        linger(finishing: true)
    }

    /// Waits for the peer to go, dropping what it sends: closing at once would reset the
    /// connection under unread bytes, and the Close frame could be lost with it.
    func linger(finishing: Bool) {
        guard unsafe stage != .over else { return }
        if finishing { finishWriting() }
        forgetBacklog()
        enter(.lingering)
        updateReading()
    }

    private func enter(_ stage: Stage) {
        unsafe self.stage = stage
        waitInPlace()
        unsafe setStageDeadline(loop.now + options.closeTimeout)
    }

    /// A consumer too slow to keep: its queue is past the hard limit, or that of all is.
    ///
    /// It is told so behind what it was being sent, and what waits for it goes at once. With much
    /// in its outbox, or no room for what others are to be sent, that goes as well: it is reset.
    func dropSlowConsumer() {
        guard unsafe stage == .open else { return }
        let hasRoom = context.topics?.budget.hasRoom ?? true
        // What waited is sent until the outbox is a message above its high water mark.
        let isTold = unsafe hasRoom && outboxCount <= 2 * options.outboxHighWater
        let (queued, backlog) = unsafe (outboxCount, subscriber?.backlog)
        context.counters.slowConsumers += 1
        _ = unsafe closing.close(.slowConsumer)
        context.closeReasons[id] = "slow consumer"
        if isTold {
            sendControl(.close, .slowConsumer, "slow consumer")
            linger(finishing: true)
        } else {
            // Its room is others' at once.
            forgetBacklog(andOutbox: true)
            unsafe stage = .lingering
            // The handler may be in the middle of a broadcast: report when it has returned.
            loop.execute { [self] in terminate(reset: true) }
        }
        // Whoever writes the log may send by it: nothing to this connection any more.
        context.warnings.slowConsumer.log([
            "connection": "\(id)", "peer": "\(peer)", "queued": "\(queued)",
            "waiting": "\(backlog?.count ?? 0)", "waiting_bytes": "\(backlog?.size ?? 0)",
            "limit": unsafe "\(options.outboxMax)",
        ])
    }

    // MARK: - Deadlines

    func setStageDeadline(_ deadline: UInt64) {
        loop.schedule(self, at: deadline)
    }

    /// Schedules the next look at a connection that is open: for a ping, its pong, or idleness.
    func scheduleHeartbeat(now: UInt64) {
        var next = UInt64.max
        if unsafe awaitsPong {
            next = unsafe pingSent + options.pongTimeout
        } else if unsafe options.pingInterval > 0 {
            next = unsafe lastReceived + Self.jittered(options.pingInterval, connection: id)
        }
        if unsafe options.idleTimeout > 0 {
            next = unsafe min(next, lastMessage + options.idleTimeout)
        }
        if let compression = unsafe compression, compression.canRest {
            next = unsafe min(next, lastMessage + options.contextIdleTimeout)
        }
        if let guards = unsafe guards { next = min(next, guards.nextDeadline) }
        if unsafe assemblyBegan != .never {
            next = unsafe min(next, assemblyBegan + options.messageTimeout)
        }
        if next == .max { loop.cancel(self) } else { loop.schedule(self, at: next) }
    }

    /// A part of a message is kept from now on.
    func beganAssembly() {
        unsafe assemblyBegan = CoarseTime(loop.now)
        loop.schedule(self, noLaterThan: unsafe loop.now + options.messageTimeout)
    }

    /// An interval shortened by up to a tenth, by the connection's number: the same each time,
    /// different for each, so that connections made together don't ping together.
    static func jittered(_ interval: UInt64, connection id: UInt64) -> UInt64 {
        let hash = (id &* 0x9E37_79B9_7F4A_7C15) >> 32
        return max(1, interval - interval * (hash & 1_023) / 10_240)
    }

    func checkLiveness(now: UInt64) {
        if unsafe options.idleTimeout > 0, unsafe now >= lastMessage + options.idleTimeout {
            context.counters.idleTimeouts += 1
            return beginClosing(.goingAway, "idle timeout")
        }
        if let compression = unsafe compression, compression.canRest,
            unsafe now >= lastMessage + options.contextIdleTimeout
        {
            compression.rest()
        }
        if let guards = unsafe guards, now >= guards.nextDeadline {
            guardDeadlinePassed(guards, now: now)
            guard unsafe stage == .open else { return }
        }
        if unsafe assemblyBegan != .never && now >= assemblyBegan + options.messageTimeout {
            guard unsafe !pauseReasons.isEmpty else {
                return fail(
                    SessionFault(
                        .policyViolation, "a message took too long to arrive", limit: .messageTime))
            }
            // It is ours to go on.
            unsafe assemblyBegan = CoarseTime(now)
        }
        // Who doesn't read can't tell a silent peer from a live one.
        if unsafe !pauseReasons.isDisjoint(with: [.application, .rate, .held]) {
            unsafe lastReceived = CoarseTime(now)
        }
        if unsafe lastReceived >= pingSent { unsafe awaitsPong = false }
        if unsafe awaitsPong, unsafe now >= pingSent + options.pongTimeout {
            // The ping waits behind what is queued: a peer that takes some of that is alive.
            let queued = UInt32(clamping: outboxCount)
            if unsafe queued < queuedAtPing {
                unsafe queuedAtPing = queued
                unsafe pingSent = CoarseTime(now)
                return scheduleHeartbeat(now: now)
            }
            context.counters.heartbeatTimeouts += 1
            context.logger.debug(
                "peer is dead", metadata: ["connection": "\(id)", "peer": "\(peer)"])
            return fail(SessionFault(.internalError, "heartbeat timeout"))
        }
        if unsafe !awaitsPong, unsafe options.pingInterval > 0,
            unsafe now >= lastReceived + Self.jittered(options.pingInterval, connection: id)
        {
            unsafe pingSent = CoarseTime(now)
            unsafe awaitsPong = true
            unsafe queuedAtPing = UInt32(clamping: outboxCount)
            context.counters.pingsSent += 1
            unsafe sendControl(.ping, UnsafeRawBufferPointer(start: nil, count: 0))
        }
        scheduleHeartbeat(now: now)
    }
}
