import UVTransport
import WebSocketProtocol

/// One connection: the stream, the session that reads it, and the handler it reports to.
///
/// Its memory is the price of an idle connection, so it is one object and holds nothing that
/// only some need. Members are for the connection's loop unless marked otherwise.
final class ConnectionCore: Stream, @unchecked Sendable {
    enum Stage: UInt8 {
        /// HTTP, until the upgrade.
        case opening
        /// Messages flow.
        case open
        /// Our Close frame is sent, the peer's awaited.
        case closing
        /// Nothing more is to be read: what arrives is dropped until the peer is gone.
        case lingering
        /// Reported as over; the handle is closing.
        case over
    }

    /// Why reading rests; any one reason is enough.
    struct PauseReasons: OptionSet {
        let rawValue: UInt8
        /// The application asked for it, or its queue of messages is full.
        static let application = PauseReasons(rawValue: 1)
        /// The outbox is above high water.
        static let outbox = PauseReasons(rawValue: 2)
        /// An HTTP request is being answered.
        static let http = PauseReasons(rawValue: 4)
        /// The peer sends more a second than it may.
        static let rate = PauseReasons(rawValue: 8)
        /// Bytes that were read are held, to be looked at before others.
        static let held = PauseReasons(rawValue: 16)
        /// The peer's Close frame came, and its answer waits for a task.
        static let peerClosed = PauseReasons(rawValue: 32)
    }

    // In the order of use: what a message touches comes first, on as few cache lines as can be.
    // And by size: the small ones fill what the base class and their neighbours leave.

    @exclusivity(unchecked) var stage = Stage.opening
    let role: Session.Role
    /// The next reads take their memory from ``readTarget()``. The rest of a long frame goes
    /// straight to where its message is put together; right behind one, a short read finds the next
    /// header, so that little of what follows that must be copied.
    @exclusivity(unchecked) private var readsDirectly = false
    /// `send` has reported backpressure since the last drain.
    @exclusivity(unchecked) var owesDrain = false
    @exclusivity(unchecked) private(set) var pauseReasons: PauseReasons = []
    /// How its latest request is received.
    var admission = Admission.Verdict.admitted
    /// A ping has been sent, and no byte has come since.
    @exclusivity(unchecked) var awaitsPong = false
    /// A task is at work on messages of the peer, see ``AsyncBridge``.
    @exclusivity(unchecked) var awaitsTask = false
    /// The handler has been told of the end, or there is none.
    private var hasReportedEnd = false
    let context: LoopContext
    /// When the last byte was received, and the last message either way.
    @exclusivity(unchecked) var lastReceived: CoarseTime
    @exclusivity(unchecked) var lastMessage: CoarseTime
    /// Delivers to the handler. It refers back to the connection until ``terminate(reason:reset:)``.
    // Safety of both: only `receive` of this class mutates them; it isn't called from within
    // itself, and nothing that a handler may call puts others in their place.
    @exclusivity(unchecked) var sink: ConnectionSink?
    @exclusivity(unchecked) var session: Session
    /// permessage-deflate, if it was agreed on.
    @exclusivity(unchecked) private(set) var compression: MessageCompression?
    /// What it holds for the topics it subscribes to, if it does.
    @exclusivity(unchecked) var subscriber: Subscriber?
    /// What limits the peer further, if anything does.
    @exclusivity(unchecked) var guards: ConnectionGuards?
    @exclusivity(unchecked) var options: SessionOptions
    @exclusivity(unchecked) var opening: OpeningPhase?
    @exclusivity(unchecked) var closing = ClosingHandshake()
    /// What it has of the places of all connections.
    var place = Place.none
    /// Position in the context's list.
    var listIndex: Int32 = -1
    /// When the task last took a message, or the first one was queued for it.
    @exclusivity(unchecked) var taskResumed: CoarseTime
    @exclusivity(unchecked) var pingSent: CoarseTime
    /// Payloads below this are neither compressed nor written around the cork; bytes.
    @exclusivity(unchecked) private(set) var corkableSizeMax: UInt16 = 0
    /// The bytes that ``countMemory()`` has counted.
    @exclusivity(unchecked) var memoryCounted: UInt32 = 0
    /// When the message began that is partly received; ``CoarseTime/never`` if none is.
    @exclusivity(unchecked) var assemblyBegan = CoarseTime.never
    let id: UInt64
    /// Whom it serves: who connected, or for whom a trusted proxy did. It changes in the opening
    /// phase only, before other threads know of the connection.
    var peer: SocketAddress

    var handler: any ConnectionHandler {
        if unsafe sink == nil { return NoHandler.shared }
        return unsafe sink!.currentHandler()
    }

    init(
        context: LoopContext, peer: SocketAddress, role: Session.Role, options: SessionOptions,
        opening: OpeningPhase
    ) {
        self.context = context
        self.id = context.nextConnectionID()
        self.peer = peer
        self.role = role
        unsafe self.options = options
        unsafe self.opening = opening
        unsafe self.session = Session(role: role, limits: options.sessionLimits)
        let now = CoarseTime(context.loop.now)
        unsafe self.lastReceived = now
        unsafe self.lastMessage = now
        unsafe self.pingSent = now
        unsafe self.taskResumed = now
        super.init(loop: context.loop)
        context.add(self)
    }

    /// Runs `body` now on the loop, or later from another thread; any thread.
    func onLoop(_ body: @escaping @Sendable (ConnectionCore) -> Void) {
        if loop.isCurrent {
            body(self)
        } else {
            loop.execute { [self] in body(self) }
        }
    }

    var subprotocol: String? { context.subprotocols[id] }

    // MARK: - From HTTP to WebSocket

    /// The opening handshake is done and its response written: from here on there are messages.
    func becomeWebSocket(_ upgraded: Upgraded) {
        let handler = upgraded.handler
        unsafe options = upgraded.options
        unsafe compression = upgraded.compression
        let guards = ConnectionGuards.make(for: upgraded, now: loop.now)
        unsafe self.guards = guards
        unsafe session = Session(
            role: role, limits: guards?.limits ?? options.sessionLimits,
            allowsCompression: compression != nil)
        unsafe opening = nil
        unsafe sink = ConnectionSink(connection: self, handler: handler)
        if let subprotocol = upgraded.subprotocol { context.subprotocols[id] = subprotocol }
        if role == .server {
            let threshold = unsafe compression?.threshold ?? .max
            unsafe corkableSizeMax = UInt16(clamping: threshold)
        }
        unsafe stage = .open
        unsafe lastMessage = CoarseTime(loop.now)
        unsafe pauseReasons.remove(.http)
        context.counters.opened += 1
        scheduleHeartbeat(now: loop.now)
        handler.onOpen(Connection(core: self))
        updateReading()
    }

    // MARK: - Reading

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe lastReceived = CoarseTime(loop.now)
        switch unsafe stage {
        case .open, .closing: unsafe receive(bytes)
        case .opening:
            unsafe opening?.received(bytes, on: self)
            countMemory()
        case .lingering, .over: break
        }
    }

    @inline(__always)
    func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        if unsafe bytes.count < Self.windowedSizeMin && guards == nil && compression == nil {
            unsafe receivePiece(bytes)
        } else {
            unsafe receiveMuch(bytes)
        }
    }

    /// Receives what may take long, or is to be kept to rates.
    @inline(never)
    private func receiveMuch(_ bytes: UnsafeMutableRawBufferPointer) {
        if let guards = unsafe guards, guards.hasRates {
            unsafe receiveInPieces(bytes, of: Self.pieceSizeByRates)
        } else if unsafe compression != nil {
            unsafe receiveInflating(bytes)
        } else if unsafe bytes.count >= Self.windowedSizeMin
            && isInSharedReadBuffer(bytes.baseAddress!)
        {
            unsafe receiveInWindows(bytes)
        } else {
            unsafe receivePiece(bytes)
        }
    }

    /// Hands bytes to the session, and its verdict to where it belongs; the number of bytes at the
    /// end that are to be received again.
    @discardableResult
    func receivePiece(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let (messages, payloads) = unsafe (
            context.messageCounts.pointee.messagesReceived,
            context.messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.receive(base, count: bytes.count, into: &sink!)
        account(since: messages, payloads, read: bytes.count)
        return unsafe proceed(action, base)
    }

    /// The same with as many bytes as `window`, and the rest of the frame that they end in.
    @inline(never)
    func receivePiece(_ bytes: UnsafeMutableRawBufferPointer, window: Int) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let (messages, payloads) = unsafe (
            context.messageCounts.pointee.messagesReceived,
            context.messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.receive(
            base, count: bytes.count, window: window, into: &sink!)
        account(since: messages, payloads, read: bytes.count)
        return unsafe proceed(action, base)
    }

    /// Goes on behind a piece that began at `base`; the number of bytes that are to be received
    /// again.
    @inline(__always)
    private func proceed(_ action: SessionAction, _ base: UnsafeMutableRawPointer) -> Int {
        guard case .proceed = action else { return perform(action) }
        if unsafe readsDirectly || !session.isBetweenFrames {
            let endsLongFrame = unsafe readsDirectly && !isInSharedReadBuffer(base)
            unsafe readsDirectly = unsafe session.wantsOwnReadBuffer || endsLongFrame
            unsafe setOwnReadBuffer(readsDirectly)
        }
        pauseIfOutboxIsFull()
        return 0
    }

    /// Goes on with a message that takes more than a turn to inflate.
    func resumeInflating() {
        let (messages, payloads) = unsafe (
            context.messageCounts.pointee.messagesReceived,
            context.messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.resume(into: &sink!)
        account(since: messages, payloads, read: 0)
        perform(action)
    }

    /// Accounts for what a piece has brought beyond `messages` and `payloads`, the counts before it.
    @inline(__always)
    private func account(since messages: UInt64, _ payloads: UInt64, read: Int) {
        if unsafe context.messageCounts.pointee.messagesReceived != messages {
            unsafe lastMessage = unsafe lastReceived
        }
        if unsafe guards != nil { chargeRates(since: messages, payloads, read: read) }
        if unsafe compression != nil { context.codecs.trim(&context.assemblies) }
    }

    /// Does what the session asks for; the number of bytes that are to be received again.
    @inline(never)
    @discardableResult
    private func perform(_ action: SessionAction) -> Int {
        switch action {
        case .proceed:
            pauseIfOutboxIsFull()
            return 0
        case .yield(let unread):
            pauseIfOutboxIsFull()
            if unsafe session.isInflating {
                _ = ensureGuards()
                setReadingPaused(true, .held)
                receiveHeldLater()
            }
            return unread
        case .closeReceived(let code, let reason): peerClosed(code, reason)
        case .fail(let fault): fail(fault)
        }
        return 0
    }

    @inline(__always)
    private func pauseIfOutboxIsFull() {
        // A connection that owns the cork has no outbox.
        if !ownsCork, unsafe stage == .open, unsafe outboxCount > options.outboxHighWater {
            setReadingPaused(true, .outbox)
        }
    }

    override func readTarget() -> UnsafeMutableRawBufferPointer {
        let target = unsafe session.readTarget(atMost: nextReadSize, into: &sink!)
        return unsafe target.isEmpty ? sharedReadBuffer(atMost: Self.shortReadSize) : target
    }

    /// Bytes of a read that looks for the header behind a long frame.
    private static let shortReadSize = 16 << 10

    func setReadingPaused(_ paused: Bool, _ reason: PauseReasons) {
        if paused { unsafe pauseReasons.insert(reason) } else { unsafe pauseReasons.remove(reason) }
        if unsafe !paused && pauseReasons == .held { receiveHeldLater() }
        updateReading()
    }

    /// Reads unless a reason says no; once nothing more is expected, reading serves only to see
    /// the end.
    func updateReading() {
        if unsafe pauseReasons.isEmpty || stage == .lingering {
            if unsafe stage != .over { startPolling() }
        } else {
            stopPolling()
        }
    }

    /// Whatever reading waited for, it must see the peer's Close frame or its end now.
    func resumeReadingForGood() {
        unsafe pauseReasons = []
        // Its message is dropped: the application has closed.
        if unsafe session.isInflating { resumeInflating() }
        if var held = unsafe guards?.takeHeld() {
            unsafe held.withUnsafeMutableBytes { _ = unsafe receivePiece($0) }
        }
        updateReading()
    }

    override func outboxGrew() { countMemory() }

    override func outboxShrank() {
        countMemory()
        // The peer has acknowledged bytes: alive, even while reading rests until it takes more.
        unsafe lastReceived = CoarseTime(loop.now)
        if let subscriber = unsafe subscriber, unsafe subscriber.outboxShare > 0 {
            context.topics?.countOutbox(of: subscriber)
        }
        if unsafe stage == .lingering, hasEnded, outboxCount == 0 { return terminate() }
        if unsafe stage == .opening {
            let isLow = unsafe outboxCount <= options.outboxHighWater / 2
            if isLow { setReadingPaused(false, .outbox) }
            unsafe opening?.outboxShrank(isLow: isLow, on: self)
            return
        }
        guard unsafe stage == .open || stage == .closing else { return }
        guard unsafe outboxCount <= options.outboxHighWater / 2 else { return }
        if let subscriber = unsafe subscriber, unsafe !subscriber.backlog.isEmpty {
            context.topics?.resume(subscriber)
            if unsafe !subscriber.backlog.isEmpty { return }
        }
        setReadingPaused(false, .outbox)
        if unsafe owesDrain, unsafe stage == .open {
            unsafe owesDrain = false
            handler.onDrain(Connection(core: self))
        }
    }

    // MARK: - The end

    override func deadlinePassed(now: UInt64) {
        switch unsafe stage {
        case .opening: unsafe opening?.deadlinePassed(on: self)
        case .open: checkLiveness(now: now)
        case .closing, .lingering:
            // A peer that reads slowly gets all that was sent, and our Close frame.
            if hasTakenSome() { return unsafe setStageDeadline(now + options.closeTimeout) }
            context.counters.closeTimeouts += 1
            // Who is gone gets no more; who only doesn't answer has all that was sent.
            terminate(reason: "close timeout", reset: isUnacknowledged)
        case .over: break
        }
    }

    override func ended(_ error: TransportError) {
        // A peer that sends no more may still be reading: it gets what is queued.
        if error.isEndOfFile, outboxCount > 0, unsafe stage != .over {
            return linger(finishing: true)
        }
        if unsafe stage == .opening { unsafe opening?.ended(error, on: self) }
        terminate(reason: error.isEndOfFile ? "" : error.name)
    }

    /// Ends the connection: reports it once, gives back what it held, closes the handle.
    func terminate(reason: String = "", reset: Bool = false) {
        guard unsafe stage != .over else { return }
        unsafe stage = .over
        if unsafe sink != nil { unsafe session.discard(into: &sink!) }
        context.remove(self)
        reportEnd(reason: reason)
        unsafe sink = nil
        unsafe opening = nil
        countMemory()
        if let subscriber = unsafe subscriber {
            context.topics?.leave(subscriber)
            unsafe self.subscriber = nil
        }
        unsafe compression?.end()
        unsafe compression = nil
        if reset { resetHandle() } else { closeHandle() }
    }

    /// Reports the end of a WebSocket connection to its handler, once. Without a Close frame of
    /// either side, `reason` is what is known of it.
    func reportEnd(reason: String = "") {
        let handler = self.handler
        guard !hasReportedEnd, handler !== NoHandler.shared else { return }
        hasReportedEnd = true
        let code = unsafe closing.outcome
        context.counters.closed(code)
        let given = context.closeReasons.removeValue(forKey: id)
        handler.onClose(Connection(core: self), code: code, reason: given ?? reason)
    }

    override func closed() { context.handleClosed(self) }
}
