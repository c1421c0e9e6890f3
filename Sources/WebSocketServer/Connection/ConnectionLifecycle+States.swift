import WebSocketProtocol

/// The states of a connection's lifecycle, and the actions that follow from an input.
extension ConnectionLifecycle {
    enum Stage: UInt8, CaseIterable {
        /// HTTP, until the upgrade.
        case opening
        /// Messages flow.
        case open
        /// Our Close frame is sent, the peer's awaited.
        case closing
        /// Nothing more is to be read: received bytes are dropped until the peer is gone.
        case lingering
        /// The connection is over; the handle is closing.
        case over
    }

    /// The reasons why reading is paused; any one is enough.
    struct PauseReasons: OptionSet {
        let rawValue: UInt8
        /// The application asked for it.
        static let application = PauseReasons(rawValue: 1)
        /// The outbox is above its high-water mark.
        static let outbox = PauseReasons(rawValue: 2)
        /// An HTTP request is being answered.
        static let http = PauseReasons(rawValue: 4)
        /// The peer sends more in a second than it may.
        static let rate = PauseReasons(rawValue: 8)
        /// Bytes that were read earlier are kept, and must be parsed before others.
        static let held = PauseReasons(rawValue: 16)
        /// The peer's Close frame came, and its answer waits for a task.
        static let peerClosed = PauseReasons(rawValue: 32)
        /// The queue of messages for a task is full.
        static let queue = PauseReasons(rawValue: 64)
    }

    // MARK: - Questions

    /// Whether the connection reads. Once nothing more is expected, it reads only to see the end.
    var wantsReading: Bool { pauseReasons.isEmpty ? stage != .over : stage == .lingering }

    /// Whether bytes that were read must wait before they are parsed.
    @inline(__always)
    var mustHold: Bool { stage == .open && !pauseReasons.isEmpty }

    /// Whether the peer may not have authenticated yet.
    var mayAwaitAuthentication: Bool { stage == .open && guards != nil }

    /// Returns the time at which an open connection is to be checked again; `nil` if there is none.
    ///
    /// - Parameters:
    ///   - holdsContext: Whether the connection holds a compression context, which is released when
    ///     it is idle.
    ///   - endOfLife: The time at which the connection is closed, however alive it is; `.max` if
    ///     there is none. Few servers limit it, so it is kept elsewhere.
    func nextDeadline(holdsContext: Bool, endOfLife: UInt64 = .max, now: UInt64) -> UInt64? {
        let next = min(
            liveness.nextDeadline(options, holdsContext: holdsContext, now: now),
            guards?.nextDeadline ?? .max, endOfLife)
        return next == .max ? nil : next
    }

    /// Returns the end of the life of a connection that opens now; `nil` if it isn't limited.
    func endOfLife(now: UInt64) -> UInt64? {
        options.lifetime > 0 ? now + liveness.lifetime(options) : nil
    }

    /// Whether messages are delivered although our Close frame is sent.
    @inline(never)
    var deliversWhileClosing: Bool { stage == .closing && guards?.deliversWhileClosing ?? false }

    /// Returns the time at which the wait for the peer's Close frame ends if messages are still
    /// delivered. This is a close timeout after the last byte, or later while reading is paused.
    /// Returns `nil` if the wait is over.
    func extendedCloseDeadline(now: UInt64) -> UInt64? {
        guard deliversWhileClosing else { return nil }
        let last = pauseReasons.isEmpty ? liveness.lastReceived : CoarseTime(now)
        let deadline = last + options.closeTimeout
        return deadline > now ? deadline : nil
    }

    /// Returns the guards, made when there are none.
    mutating func ensureGuards() -> ConnectionGuards {
        if let guards { return guards }
        let made = ConnectionGuards()
        guards = made
        return made
    }

    // MARK: - Actions

    /// The action for received bytes.
    enum ReceiveAction { case parseHTTP, parseFrames, drop }

    /// The action after the kernel has taken bytes of the outbox.
    enum OutboxAction: Equatable {
        case none
        /// Nothing is left to be done: the connection is over.
        case terminate
        /// Continues the opening phase, which can send more if the outbox is low.
        case continueHTTP(isLow: Bool)
        /// Sends the messages that wait behind the outbox; ``drained()`` follows if nothing is
        /// left.
        case sendBacklog
    }

    /// The action for a peer that exceeds its rates.
    enum RateAction: Equatable {
        case none
        case fail(SessionFault)
        /// Reading is paused for a limit; the next deadline has changed.
        case pause(SessionLimit)
    }

    /// The action when the application closes.
    enum CloseAction: Equatable {
        case none
        case terminate
        /// Sends a Close frame, and awaits the peer's until the deadline.
        case sendClose(CloseCode, deadline: UInt64)
        /// The peer has closed first.
        case end(EndAction)
    }

    /// The action when the peer closes.
    enum PeerCloseAction: Equatable {
        /// The answer waits for a task, until the deadline.
        case awaitTask(until: UInt64)
        case end(EndAction)
    }

    /// The cause for which a connection is ended, other than by the application or the peer.
    enum EndCause: Equatable {
        /// The peer has broken a rule or a limit.
        case fault(SessionFault)
        /// The peer doesn't take the bytes sent to it.
        case slowConsumer
        /// Memory is used up, and this connection holds the most.
        case memory

        var code: CloseCode {
            switch self {
            case .fault(let fault): fault.code
            case .slowConsumer: .slowConsumer
            case .memory: .tryAgainLater
            }
        }

        var reason: String {
            switch self {
            case .fault(let fault): fault.reason
            case .slowConsumer: "slow consumer"
            case .memory: "the server's memory is spent"
            }
        }

        /// The limit that the peer has exceeded, if that is the cause.
        var limit: SessionLimit? {
            switch self {
            case .fault(let fault): fault.limit
            case .slowConsumer: nil
            case .memory: .memory
            }
        }
    }

    /// The way in which a connection is ended.
    enum EndAction: Equatable {
        /// It is over, or being ended already.
        case none
        /// Sends a Close frame, if there is a code for one, and waits until the deadline for the
        /// peer to close the stream.
        case linger(sending: CloseCode?, deadline: UInt64)
        /// Ends the connection at the end of the turn, and drops the bytes that the peer has not
        /// read.
        case reset
        /// Ends it at once.
        case terminate
        /// The opening phase answers the request that is arriving, if there is one.
        case refuseRequest
    }

    /// The work of an open connection when a deadline has passed, besides waiting for the next one.
    struct Upkeep: OptionSet {
        let rawValue: UInt8
        /// The compression context is released.
        static let releaseContext = Upkeep(rawValue: 1)
        /// The peer is within its rates again.
        static let resumeReading = Upkeep(rawValue: 2)
        static let sendPing = Upkeep(rawValue: 4)
    }

    /// The event that has not happened in time.
    enum Timeout { case lifetime, idle, authentication, message, heartbeat, close }

    /// The action when a deadline has passed.
    enum TickAction: Equatable {
        case none
        /// The deadline was one of the opening phase.
        case continueHTTP
        case wait(until: UInt64)
        case keep(Upkeep, next: UInt64?)
        case timedOut(Timeout)
    }
}

extension SessionLimit {
    var rateName: String { self == .messageRate ? "message rate" : "byte rate" }
}
