import PubSub
import UVTransport
import WebSocketProtocol

/// One connection: the stream, the session that reads it, and the handler that receives its events.
///
/// Its ``lifecycle`` decides what happens; the connection performs it. Its memory determines the
/// cost of an idle connection, so it is one object, without members that only some connections
/// need. Members are for the connection's loop unless marked otherwise.
// Safety: its pointer is to counts that outlive it.
@safe
final class ConnectionCore: Stream, @unchecked Sendable {
    typealias Stage = ConnectionLifecycle.Stage
    typealias PauseReasons = ConnectionLifecycle.PauseReasons

    // Members are in the order of use: those that every message touches come first, on as few cache
    // lines as possible. They are also ordered by size: small ones fill the gaps that the base
    // class and their neighbours leave.

    /// The size in bytes from which on payloads may be compressed or bypass the cork.
    private(set) var corkableSizeMax: UInt16 = 0
    /// The bytes that ``countMemory()`` has counted.
    var memoryCounted: UInt32 = 0
    // Safety: no function of the lifecycle calls back, so accesses never overlap.
    @exclusivity(unchecked) private var lifecycleStorage: ConnectionLifecycle
    let role: Session.Role
    /// The next reads take their memory from ``readTarget()``. The rest of a long frame is read
    /// straight into its message's memory. Behind a long frame, a short read finds the next header,
    /// so that few of the bytes after that must be copied.
    var readsDirectly = false
    /// The verdict on its latest request.
    var admission = Admission.Verdict.admitted
    let resources: LoopResources
    /// The counts for every message: those of its route on this loop. They are behind a pointer, so
    /// that access needs no exclusivity check.
    // Safety: `resources` owns them, and outlives its connections.
    private(set) var messageCounts: UnsafeMutablePointer<MessageCounts>
    /// Delivers to the handler. It refers back to the connection until
    /// ``terminate(reason:reset:)``.
    // Safety of both: only `receive` of this class mutates them. It isn't called recursively, and
    // no call that a handler may make replaces them.
    @exclusivity(unchecked) var sink: ConnectionSink?
    @exclusivity(unchecked) var session: Session
    /// The state of permessage-deflate, if it was negotiated.
    private(set) var compression: MessageCompression?
    /// The state for its topic subscriptions, if it has any.
    var subscriber: Subscriber?
    var opening: OpeningPhase?
    /// Its place among the connections of the server.
    var place = Place.none
    /// The position in the registry's list.
    var listIndex: Int32 = -1
    /// The time when the connection was accepted.
    let began: CoarseTime
    let id: UInt64
    /// The client that the connection serves: the one that connected, or the one for which a
    /// trusted proxy did. It changes in the opening phase only, before other threads know of the
    /// connection.
    var peer: SocketAddress

    init(
        resources: LoopResources, peer: SocketAddress, role: Session.Role, options: SessionOptions,
        opening: OpeningPhase
    ) {
        self.resources = resources
        unsafe messageCounts = unsafe resources.messageCounts
        self.id = resources.registry.nextID()
        self.peer = peer
        self.role = role
        began = CoarseTime(resources.loop.now)
        unsafe lifecycleStorage = ConnectionLifecycle(
            options: options, id: id, now: resources.loop.now)
        self.opening = opening
        unsafe self.session = Session(role: role, limits: options.sessionLimits)
        super.init(loop: resources.loop)
        resources.registry.add(self)
    }

    // MARK: - State

    /// The connection's state. Reading it, and giving it an input, cost no exclusivity check.
    @inline(__always)
    var lifecycle: ConnectionLifecycle {
        _read { yield unsafe lifecycleStorage }
        _modify { yield unsafe &lifecycleStorage }
    }

    @inline(__always) var stage: Stage { lifecycle.stage }
    @inline(__always) var pauseReasons: PauseReasons { lifecycle.pauseReasons }
    @inline(__always) var options: SessionOptions { lifecycle.options }
    /// The additional limits on the peer, if there are any.
    @inline(__always) var guards: ConnectionGuards? { lifecycle.guards }

    var handler: any ConnectionHandler {
        if unsafe sink == nil { return NoHandler.shared }
        return unsafe sink!.currentHandler()
    }

    /// The number of its route in ``LoopResources/routes``.
    var route: Int { unsafe messageCounts - resources.messageCounts }

    /// Counts from now on in the present block of counts.
    func moveCounts(from old: UnsafeMutablePointer<MessageCounts>) {
        unsafe messageCounts = unsafe resources.messageCounts + (messageCounts - old)
    }

    var subprotocol: String? { resources.registry.subprotocols[id] }

    /// Runs `body` now on the loop, or later from another thread; any thread.
    func onLoop(_ body: @escaping @Sendable (ConnectionCore) -> Void) {
        if loop.isCurrent {
            body(self)
        } else {
            loop.execute { [self] in body(self) }
        }
    }

    /// Returns the guards, made when there are none.
    func ensureGuards() -> ConnectionGuards { lifecycle.ensureGuards() }

    /// Whether messages are delivered although our Close frame is sent.
    var deliversWhileClosing: Bool { lifecycle.deliversWhileClosing }

    // MARK: - From HTTP to WebSocket

    /// Turns the connection into a WebSocket: its opening handshake is done, the response written.
    func becomeWebSocket(_ upgraded: Upgraded) {
        let handler = upgraded.handler
        let guards = ConnectionGuards.make(for: upgraded, now: loop.now)
        compression = upgraded.compression
        unsafe session = Session(
            role: role, limits: guards?.limits ?? upgraded.options.sessionLimits,
            allowsCompression: compression != nil)
        opening = nil
        unsafe sink = ConnectionSink(connection: self, handler: handler)
        if let subprotocol = upgraded.subprotocol {
            resources.registry.subprotocols[id] = subprotocol
        }
        if role == .server {
            let threshold = compression?.threshold ?? .max
            corkableSizeMax = UInt16(clamping: threshold)
        }
        lifecycle.open(upgraded.options, guards: guards, now: loop.now)
        resources.counters.opened += 1
        resources.registry.setEndOfLife(lifecycle.endOfLife(now: loop.now), of: id)
        resources.routes[upgraded.route].opened += 1
        unsafe messageCounts = unsafe resources.messageCounts + upgraded.route
        scheduleHeartbeat()
        handler.onOpen(Connection(core: self))
        updateReading()
    }

    // MARK: - As a stream

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        switch lifecycle.received(now: loop.now) {
        case .parseFrames: unsafe receive(bytes)
        case .parseHTTP:
            unsafe opening?.received(bytes, on: self)
            countMemory()
        case .drop: break
        }
    }

    override func readTarget() -> UnsafeMutableRawBufferPointer {
        let target = unsafe session.readTarget(atMost: nextReadSize, into: &sink!)
        return unsafe target.isEmpty ? sharedReadBuffer(atMost: Self.shortReadSize) : target
    }

    override func outboxGrew() { countMemory() }

    override func transportHeldSizeChanged() { countMemory() }

    override func outboxShrank() {
        countMemory()
        if let subscriber, subscriber.outboxShare > 0 {
            resources.topics?.delivery.slow.updateOutboxShare(
                of: subscriber, outboxCount: outboxCount)
        }
        switch lifecycle.outboxShrank(to: outboxCount, hasEnded: hasEnded, now: loop.now) {
        case .none: break
        case .terminate: terminate()
        case .continueHTTP(let isLow):
            if isLow { setReadingPaused(false, .outbox) }
            opening?.outboxShrank(isLow: isLow, on: self)
        case .sendBacklog:
            if let subscriber, subscriber.hasBacklog {
                resources.topics?.delivery.resume(subscriber)
                if subscriber.hasBacklog { return }
            }
            setReadingPaused(false, .outbox)
            if lifecycle.drained() { handler.onDrain(Connection(core: self)) }
        }
    }

    override func ended(_ error: TransportError) {
        if error.isEndOfFile, stage == .opening, opening?.outlivesEnd(on: self) == true {
            return
        }
        let action = lifecycle.streamEnded(
            isEndOfFile: error.isEndOfFile, hasOutbox: outboxCount > 0, now: loop.now)
        guard case .terminate = action else { return perform(action) }
        if stage == .opening { opening?.ended(error, on: self) }
        terminate(reason: error.isEndOfFile ? "" : error.name)
    }

    override func deadlinePassed(now: UInt64) { passDeadline(now: now) }

    override func closed() { resources.handleClosed(self) }

    // MARK: - The end

    /// Ends the connection: reports the end once, returns its memory, and closes the handle.
    func terminate(reason: String = "", reset: Bool = false) {
        guard lifecycle.terminate() else { return }
        if unsafe sink != nil { unsafe session.discard(into: &sink!) }
        resources.registry.remove(self)
        reportEnd(reason: reason)
        unsafe sink = nil
        if resources.access != nil { opening?.logEnd(reason: reason, on: self) }
        opening?.terminated()
        opening = nil
        countMemory()
        if let subscriber {
            resources.topics?.leave(subscriber)
            self.subscriber = nil
        }
        compression?.end()
        compression = nil
        if reset { resetHandle() } else { closeHandle() }
    }

    /// Reports the end of a WebSocket connection to its handler, once.
    ///
    /// - Parameter reason: The reason to report where neither side has sent a Close frame.
    func reportEnd(reason: String = "") {
        let handler = self.handler
        guard handler !== NoHandler.shared, let code = lifecycle.reportEnd() else { return }
        resources.counters.closed(code)
        resources.routes[route].closed += 1
        resources.registry.endTasks(of: id)
        let given = resources.registry.closeReasons.removeValue(forKey: id) ?? reason
        logClose(code, reason: given)
        handler.onClose(Connection(core: self), code: code, reason: given)
    }

    private func logClose(_ code: CloseCode, reason: String) {
        resources.logger.debug(
            "connection closed",
            metadata: [
                "connection": "\(id)", "peer": "\(peer)", "code": "\(code.rawValue)",
                "reason": "\(reason)",
            ])
        // A reload may have turned the access log off since.
        let entry = resources.registry.accessEntries.removeValue(forKey: id)
        guard let access = resources.access else { return }
        access.logWebSocket(
            entry, connection: id, peer: peer, code: code.rawValue, reason: reason,
            traffic: StreamTraffic(of: self))
    }
}
