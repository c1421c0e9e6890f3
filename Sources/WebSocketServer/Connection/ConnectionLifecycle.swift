import WebSocketProtocol

/// The life of one connection, from its opening handshake to its end, as a state machine.
///
/// It has no socket, no clock and no thread. Each input changes the state and returns the action
/// that the connection is to perform. Times are milliseconds of one clock that never goes back, and
/// are passed in.
struct ConnectionLifecycle: ~Copyable {
    // By size, so that nothing is lost between them: each connection has them.

    private(set) var options: SessionOptions
    /// The additional limits on the peer, if there are any.
    var guards: ConnectionGuards?
    private(set) var liveness: Liveness
    private(set) var stage = Stage.opening
    private(set) var pauseReasons: PauseReasons = []
    /// Whether `send` has reported backpressure since the last drain.
    private(set) var owesDrain = false
    /// A task is at work on messages of the peer, see ``AsyncBridge``.
    private(set) var awaitsTask = false
    /// The end has been reported to the handler.
    private(set) var hasReportedEnd = false
    /// The time when the task last took a message, or when the first one was queued for it.
    private var taskResumed: CoarseTime
    private(set) var closing = ClosingHandshake()

    /// Starts in the opening stage.
    ///
    /// - Parameter id: The connection's number, by which the pings of connections are spread.
    init(options: SessionOptions, id: UInt64, now: UInt64) {
        self.options = options
        liveness = Liveness(id: id, now: now)
        taskResumed = CoarseTime(now)
    }

    /// Records that the opening handshake is done: messages flow from now on.
    mutating func open(_ options: SessionOptions, guards: ConnectionGuards?, now: UInt64) {
        precondition(stage == .opening)
        self.options = options
        self.guards = guards
        stage = .open
        liveness.sentMessage(now: now)
        pauseReasons.remove(.http)
    }

    /// Takes over other options, after a reload. Deadlines that are set stay as they are until the
    /// next one is set.
    mutating func replaceOptions(_ new: SessionOptions, now: UInt64) {
        let changesRates =
            new.messageRateMax != options.messageRateMax || new.byteRateMax != options.byteRateMax
        options = new
        guard stage == .open else { return }
        if changesRates, new.hasRates { _ = ensureGuards() }
        guards?.replaceOptions(new, changesRates: changesRates, now: now)
    }

    // MARK: - Traffic

    /// Records that bytes have been received.
    @inline(__always)
    mutating func received(now: UInt64) -> ReceiveAction {
        liveness.received(now: now)
        switch stage {
        case .open, .closing: return .parseFrames
        case .opening: return .parseHTTP
        case .lingering, .over: return .drop
        }
    }

    /// Records that the bytes received last have completed a message.
    @inline(__always)
    mutating func receivedMessage() { liveness.receivedMessage() }

    @inline(__always)
    mutating func sentMessage(now: UInt64) { liveness.sentMessage(now: now) }

    /// `send` has reported backpressure: a drain is to be reported.
    @inline(__always)
    mutating func reportedBackpressure() { owesDrain = true }

    /// Records that the kernel has taken bytes of the outbox, which has `count` left.
    ///
    /// - Parameter hasEnded: Whether the peer sends no more.
    mutating func outboxShrank(to count: Int, hasEnded: Bool, now: UInt64) -> OutboxAction {
        // The peer has acknowledged bytes: it is alive, even while reading is paused.
        liveness.received(now: now)
        let isLow = count <= options.outboxHighWater / 2
        switch stage {
        case .opening: return .continueHTTP(isLow: isLow)
        case .open, .closing: return isLow ? .sendBacklog : .none
        case .lingering: return hasEnded && count == 0 ? .terminate : .none
        case .over: return .none
        }
    }

    /// Records that nothing waits behind the outbox, which is low. Returns whether a drain is to be
    /// reported.
    mutating func drained() -> Bool {
        guard owesDrain, stage == .open else { return false }
        owesDrain = false
        return true
    }

    /// Records that part of a message is kept from now on. Returns when the rest is due.
    mutating func beganAssembly(now: UInt64) -> UInt64 {
        liveness.beganAssembly(now: now)
        return now + options.messageTimeout
    }

    mutating func endedAssembly() { liveness.endedAssembly() }

    // MARK: - Pausing

    @inline(__always)
    mutating func pause(for reason: PauseReasons) { pauseReasons.insert(reason) }

    /// Removes a reason for pausing. Returns whether held bytes are all that is left to wait for.
    @inline(__always)
    mutating func resume(from reason: PauseReasons) -> Bool {
        pauseReasons.remove(reason)
        return pauseReasons == .held
    }

    /// Charges received messages and bytes to the peer's rates.
    mutating func charge(messages: UInt64, bytes: UInt64, now: UInt64) -> RateAction {
        guard stage == .open, let guards,
            let (limit, wait) = guards.charge(messages: messages, bytes: bytes, now: now)
        else { return .none }
        switch options.ratePolicy {
        case .close:
            return .fail(SessionFault(.policyViolation, "over the \(limit.rateName)", limit: limit))
        case .pause:
            guards.pause(until: now + wait)
            pauseReasons.insert(.rate)
            return .pause(limit)
        }
    }

    // MARK: - Authentication

    /// Records that the peer has authenticated. The usual limits hold from its next frame on.
    mutating func markAuthenticated() {
        guard let guards else { return }
        guards.authenticated(options)
        if !options.hasRates, guards.isEmpty { self.guards = nil }
    }

    // MARK: - Tasks

    /// Records that the task has taken a message, or that the first one is queued for it.
    @inline(__always)
    mutating func taskBegan(now: UInt64) {
        awaitsTask = true
        taskResumed = CoarseTime(now)
    }

    /// Records that the task asks for the next message while there is none, or for the end. Returns
    /// whether the peer's Close frame is to be answered now.
    @inline(__always)
    mutating func taskRested() -> Bool {
        guard awaitsTask else { return false }
        awaitsTask = false
        return closing.received != nil
    }

    // MARK: - The end

    /// Closes the connection for the application, or for a limit that isn't the peer's fault.
    ///
    /// - Parameter delivering: Whether messages that arrive after our Close frame are still
    ///   delivered.
    mutating func close(
        _ code: CloseCode, delivering: Bool = false, now: UInt64
    ) -> CloseAction {
        switch stage {
        case .open:
            // The peer has closed first, and awaits its answer.
            guard closing.received == nil, let code = closing.close(code) else {
                return .end(answer(now: now))
            }
            stage = .closing
            if delivering {
                // The application reads on, and so to the peer's Close frame.
                ensureGuards().deliversWhileClosing = true
            } else {
                // While reading is paused, the peer's Close frame would never be seen.
                pauseReasons = []
            }
            return .sendClose(code, deadline: now + options.closeTimeout)
        case .opening: return .terminate
        case .closing, .lingering, .over: return .none
        }
    }

    /// Records that the peer's Close frame has arrived.
    mutating func peerClosed(_ code: CloseCode?, now: UInt64) -> PeerCloseAction {
        let isFirst = closing.receive(code)
        let due = taskResumed + options.closeTimeout
        if isFirst, awaitsTask, stage == .open, now < due {
            // §5.5.1: nothing more counts, and further bytes wait in the kernel.
            pauseReasons.insert(.peerClosed)
            return .awaitTask(until: due)
        }
        return .end(answer(now: now))
    }

    /// Answers the peer's Close frame, unless ours is sent, and awaits the end.
    mutating func answer(now: UInt64) -> EndAction {
        guard stage == .open || stage == .closing else { return .none }
        let code = closing.answer()
        stage = .lingering
        return .linger(sending: code, deadline: now + options.closeTimeout)
    }

    /// Ends the connection for an error of the peer, or for a limit.
    ///
    /// - Parameter isTold: Whether the peer takes its outbox, so that it can be told the reason.
    mutating func end(_ cause: EndCause, isTold: Bool, now: UInt64) -> EndAction {
        let told: EndAction
        switch (stage, cause) {
        case (.open, _):
            let code = closing.close(isTold ? cause.code : .slowConsumer)
            told = .linger(sending: code, deadline: now + options.closeTimeout)
        case (.closing, .fault):
            told = .linger(sending: nil, deadline: now + options.closeTimeout)
        case (.opening, .memory):
            if isTold { return .refuseRequest }
            told = .reset
        case (.closing, .memory), (.lingering, .memory): told = .reset
        default: return .none
        }
        stage = .lingering
        return isTold ? told : .reset
    }

    /// Records that nothing more is to be read. Returns when the peer must be gone; `nil` if the
    /// connection is over.
    mutating func linger(now: UInt64) -> UInt64? {
        guard stage != .over else { return nil }
        stage = .lingering
        return now + options.closeTimeout
    }

    /// Records that the peer sends no more, or that the stream has failed.
    mutating func streamEnded(isEndOfFile: Bool, hasOutbox: Bool, now: UInt64) -> EndAction {
        // A peer that sends no more may still be reading, so it receives the queued data.
        if isEndOfFile, hasOutbox, let deadline = linger(now: now) {
            return .linger(sending: nil, deadline: deadline)
        }
        return stage == .over ? .none : .terminate
    }

    /// Ends the connection for good. Returns false if it was over before.
    mutating func terminate() -> Bool {
        guard stage != .over else { return false }
        stage = .over
        return true
    }

    /// Records that the end is reported to the handler. Returns the code to report; `nil` the
    /// second time.
    mutating func reportEnd() -> CloseCode? {
        guard !hasReportedEnd else { return nil }
        hasReportedEnd = true
        return closing.outcome
    }

    // MARK: - Deadlines

    /// Handles a deadline that has passed.
    ///
    /// - Parameters:
    ///   - holdsContext, endOfLife: As for ``nextDeadline(holdsContext:endOfLife:now:)``.
    ///   - takesSome: Finds out whether the peer has taken some of its outbox. Called at most once,
    ///     and only if the answer matters.
    mutating func tick(
        now: UInt64, holdsContext: Bool, endOfLife: UInt64 = .max, takesSome: () -> Bool
    ) -> TickAction {
        switch stage {
        case .opening: return .continueHTTP
        case .open:
            return tickOpen(
                now: now, holdsContext: holdsContext, endOfLife: endOfLife, takesSome: takesSome)
        case .closing, .lingering:
            // A peer that reads slowly gets all that was sent, and our Close frame.
            if takesSome() { return .wait(until: now + options.closeTimeout) }
            if let deadline = extendedCloseDeadline(now: now) { return .wait(until: deadline) }
            return .timedOut(.close)
        case .over: return .none
        }
    }

    private mutating func tickOpen(
        now: UInt64, holdsContext: Bool, endOfLife: UInt64, takesSome: () -> Bool
    ) -> TickAction {
        if now >= endOfLife { return .timedOut(.lifetime) }
        if liveness.isIdle(options, now: now) { return .timedOut(.idle) }
        var upkeep: Upkeep = []
        if holdsContext, liveness.isContextIdle(options, now: now) {
            upkeep.insert(.releaseContext)
        }
        if let guards {
            if guards.consumeRatePause(now: now) {
                pauseReasons.remove(.rate)
                upkeep.insert(.resumeReading)
            }
            if guards.isAuthenticationOverdue(now: now) { return .timedOut(.authentication) }
        }
        if liveness.isAssemblyOverdue(options, now: now) {
            guard !pauseReasons.isEmpty else { return .timedOut(.message) }
            // The peer can't send the rest while this side doesn't read.
            liveness.beganAssembly(now: now)
        }
        // While reading is paused, a silent peer can't be told from a live one.
        if !pauseReasons.isDisjoint(with: [.application, .rate, .held, .peerClosed, .queue]) {
            liveness.received(now: now)
        }
        switch liveness.checkHeartbeat(options, now: now, takesSome: takesSome) {
        case .nothing: break
        case .sendPing: upkeep.insert(.sendPing)
        case .peerIsDead: return .timedOut(.heartbeat)
        }
        let holdsContext = holdsContext && !upkeep.contains(.releaseContext)
        let next = nextDeadline(holdsContext: holdsContext, endOfLife: endOfLife, now: now)
        return .keep(upkeep, next: next)
    }
}
