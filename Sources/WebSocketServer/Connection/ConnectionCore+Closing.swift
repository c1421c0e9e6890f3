import UVTransport
import WebSocketProtocol

/// The closing handshake (RFC 6455 §7), failures, and deadlines.
extension ConnectionCore {
    /// Sends our Close frame and waits for the peer's, within the close timeout.
    func beginClosing(_ code: CloseCode, _ reason: String) {
        switch unsafe stage {
        case .open:
            // The peer has closed first, and awaits its answer.
            if unsafe closing.received != nil { return answerClose() }
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

    /// The peer's Close frame came: answers it, at once or behind what a task still sends.
    func peerClosed(_ code: CloseCode?, _ reason: String) {
        if unsafe closing.receive(code) {
            context.closeReasons[id] = reason
            if delayAnswer() { return }
        }
        answerClose()
    }

    /// Answers the peer's Close frame, unless ours is sent, and awaits the end of the connection.
    func answerClose() {
        context.endDelayedAnswer(of: id)
        guard unsafe stage == .open || stage == .closing else { return }
        if let answer = unsafe closing.answer() { sendControl(.close, answer, "") }
        // §7.1.1: the server closes the TCP connection first, the client waits for it. The peer may
        // still send, such as the answer to a ping that it reads only now: closing the socket at
        // once would answer that with a reset, by which it loses what it has not read.
        linger(finishing: role == .server)
    }

    /// Ends a connection in its opening phase that has nothing under way: once the peer has left,
    /// if it has yet to take a response.
    func endOpening() {
        if undeliveredCount == 0 { terminate() } else { linger(finishing: true) }
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

    /// Waits for the peer to close its side, discarding what it sends (§7.1.1, RFC 9112 §9.6):
    /// closing at once would reset the connection under unread bytes, and what was sent last could
    /// be lost with it.
    ///
    /// That takes as long as the close timeout, and longer only for a peer that goes on taking what
    /// was sent before: what the outbox and the kernel may hold is the bound. The handler doesn't
    /// wait for it: no message can come or go any more.
    func linger(finishing: Bool) {
        guard unsafe stage != .over else { return }
        if finishing { finishWriting() }
        forgetBacklog()
        enter(.lingering)
        updateReading()
        // Later in this turn: the handler may be in the middle of a call that led here.
        if unsafe sink != nil { loop.execute { [self] in reportEnd() } }
    }

    private func enter(_ stage: Stage) {
        unsafe self.stage = stage
        waitInPlace()
        flushIfCorked()
        // The kernel of any peer that is there takes a Close frame and a FIN alone.
        noteUndelivered(ignoring: FrameHeader.sizeMax + FrameHeader.controlPayloadMax + 1)
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
            dropUnsent()
            countMemory()
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
        if let compression = unsafe compression, compression.hasSendContext {
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
        if let compression = unsafe compression, compression.hasSendContext,
            unsafe now >= lastMessage + options.contextIdleTimeout
        {
            compression.releaseSendContext()
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
        if unsafe !pauseReasons.isDisjoint(with: [.application, .rate, .held, .peerClosed]) {
            unsafe lastReceived = CoarseTime(now)
        }
        if unsafe lastReceived >= pingSent { unsafe awaitsPong = false }
        if unsafe awaitsPong, unsafe now >= pingSent + options.pongTimeout {
            // The ping waits behind what was sent before: a peer that takes some of that is alive.
            if hasTakenSome() {
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
            noteUndelivered()
            context.counters.pingsSent += 1
            unsafe sendControl(.ping, UnsafeRawBufferPointer(start: nil, count: 0))
        }
        scheduleHeartbeat(now: now)
    }
}
