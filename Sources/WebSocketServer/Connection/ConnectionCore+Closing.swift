import PubSub
import UVTransport
import WebSocketProtocol

/// The closing handshake (RFC 6455 §7), and the ends for faults and limits.
extension ConnectionCore {
    /// Sends our Close frame and waits for the peer's, within the close timeout.
    ///
    /// - Parameter delivering: Whether messages that arrive meanwhile are delivered.
    func beginClosing(_ code: CloseCode, _ reason: String, delivering: Bool = false) {
        switch lifecycle.close(code, delivering: delivering, now: loop.now) {
        case .none: break
        case .terminate: terminate()
        case .end(let action): performAnswer(action)
        case .sendClose(let code, let deadline):
            // Messages sent before the close still go out.
            if let subscriber {
                resources.topics?.delivery.resume(subscriber, all: true)
            }
            resources.registry.closeReasons[id] = reason
            sendClose(code, reason)
            awaitEnd(until: deadline)
            // If the peer's Close frame is among the held bytes, the connection is over when this
            // returns.
            if !delivering { receiveHeldForGood() }
        }
    }

    /// Handles the peer's Close frame: answers it, at once or after the messages that a task still
    /// sends.
    func peerClosed(_ code: CloseCode?, _ reason: String) {
        switch lifecycle.peerClosed(code, now: loop.now) {
        case .awaitTask(let deadline):
            resources.registry.closeReasons[id] = reason
            delayAnswer(until: deadline)
        case .end(let action):
            // Our Close frame was sent earlier, unless it is sent now.
            if case .linger(sending: _?, deadline: _) = action {
                resources.registry.closeReasons[id] = reason
            }
            performAnswer(action)
        }
    }

    /// Answers the peer's Close frame, unless ours is sent, and awaits the end of the connection.
    func answerClose() { performAnswer(lifecycle.answer(now: loop.now)) }

    private func performAnswer(_ action: ConnectionLifecycle.EndAction) {
        resources.registry.endDelayedAnswer(of: id)
        // §7.1.1: the server closes the TCP connection first, the client waits for it. The peer may
        // still send something, such as the answer to a ping that it reads only now. If the socket
        // were closed at once, the kernel would answer with a reset, and the peer would lose unread
        // bytes.
        perform(action, finishing: role == .server)
    }

    /// Ends a connection in its opening phase that has no request in progress. If it has a response
    /// left to take, the connection ends once the peer has left.
    func endOpening() {
        if undeliveredCount == 0 { terminate() } else { linger(finishing: true) }
    }

    // MARK: - Faults and limits

    /// Disconnects a slow consumer: its outbox or the budget of all backlogs is past its limit.
    func dropSlowConsumer() { end(.slowConsumer) }

    /// Ends the connection for an error of the peer (§7.1.7) or a limit. This is the only place
    /// where these become a close code.
    ///
    /// A peer that takes its data receives a Close frame after the queued data. One that doesn't is
    /// reset, so that the memory of its outbox is available to others at once.
    func end(_ cause: ConnectionLifecycle.EndCause) {
        let (before, isTold) = (stage, canTell(cause))
        let (queued, backlog) = (outboxCount, subscriber?.backlog)
        let action = lifecycle.end(cause, isTold: isTold, now: loop.now)
        if case .none = action { return }
        count(cause, isTold: isTold, from: before)
        if before == .open {
            resources.registry.closeReasons[id] = isTold ? cause.reason : Self.slowConsumer
            if case .memory = cause { releaseHeld() }
        }
        perform(action, reason: cause.reason)
        guard case .slowConsumer = cause else { return }
        // A log handler may send to connections, but no longer to this one.
        resources.warnings.slowConsumer.log([
            "connection": "\(id)", "peer": "\(peer)", "queued": "\(queued)",
            "waiting": "\(backlog?.count ?? 0)", "waiting_bytes": "\(backlog?.size ?? 0)",
            "limit": "\(options.outboxMax)",
        ])
    }

    private static var slowConsumer: String { ConnectionLifecycle.EndCause.slowConsumer.reason }

    /// Returns whether the peer takes enough of its outbox to receive a Close frame soon.
    private func canTell(_ cause: ConnectionLifecycle.EndCause) -> Bool {
        switch cause {
        case .fault: true
        // The backlog is sent until the outbox is one message above its high-water mark.
        case .slowConsumer:
            (resources.topics?.delivery.slow.hasRoom ?? true)
                && outboxCount <= 2 * options.outboxHighWater
        case .memory: outboxCount <= options.outboxHighWater
        }
    }

    private func count(
        _ cause: ConnectionLifecycle.EndCause, isTold: Bool, from stage: Stage
    ) {
        switch (cause, stage) {
        case (.fault, _): break
        case (.slowConsumer, _): return resources.counters.slowConsumers += 1
        case (.memory, .open) where isTold: break
        case (.memory, .open):
            resources.counters.limits.hit(.memory)
            return resources.counters.slowConsumers += 1
        case (.memory, .opening): return resources.counters.limits.hit(.memory)
        case (.memory, _): return
        }
        if let limit = cause.limit { resources.counters.limits.hit(limit) }
        resources.counters.failed(cause.code)
        resources.logger.debug(
            "connection failed",
            metadata: [
                "connection": "\(id)", "peer": "\(peer)", "code": "\(cause.code.rawValue)",
                "reason": "\(cause.reason)",
            ])
    }

    /// Performs an action of the lifecycle.
    ///
    /// - Parameter finishing: Whether this side closes its half of the stream.
    func perform(
        _ action: ConnectionLifecycle.EndAction, reason: String = "", finishing: Bool = true
    ) {
        switch action {
        case .none: break
        case .linger(let code, let deadline):
            if let code { sendClose(code, reason) }
            linger(until: deadline, finishing: finishing)
        case .reset:
            // Its memory is available to others at once.
            forgetBacklog(andOutbox: true)
            dropUnsent()
            countMemory()
            // Later, since the handler may be in the middle of a broadcast.
            loop.execute { [self] in terminate(reset: true) }
        case .terminate: terminate()
        case .refuseRequest:
            if opening?.shed(on: self) != true { terminate(reset: true) }
        }
    }

    // MARK: - Lingering

    /// Waits for the peer to close its side, and discards the bytes that it sends (§7.1.1, RFC 9112
    /// §9.6). Closing at once would reset the connection if there are unread bytes, and the last
    /// data could be lost with it.
    ///
    /// The wait lasts up to the close timeout. The timeout restarts while the peer receives queued
    /// data, whose amount is bounded by the outbox and the kernel's buffer. The end is reported to
    /// the handler in this turn, because no more messages can be sent or received.
    func linger(finishing: Bool) {
        guard let deadline = lifecycle.linger(now: loop.now) else { return }
        linger(until: deadline, finishing: finishing)
    }

    private func linger(until deadline: UInt64, finishing: Bool) {
        if finishing { finishWriting() }
        forgetBacklog()
        awaitEnd(until: deadline)
        updateReading()
        // Later in this turn: the handler may be in the middle of a call that led here.
        if unsafe sink != nil { loop.execute { [self] in reportEnd() } }
    }

    /// Sends the queued data. The peer has until the deadline to take it and to close.
    private func awaitEnd(until deadline: UInt64) {
        waitInPlace()
        flushIfCorked()
        // If the peer is reachable, its kernel takes a Close frame and a FIN even if the peer
        // doesn't read.
        noteUndelivered(ignoring: FrameHeader.sizeMax + FrameHeader.controlPayloadMax + 1)
        setStageDeadline(deadline)
    }
}
