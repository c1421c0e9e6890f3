import UVTransport
import WebSocketProtocol

/// The reading half: bytes become messages, unless reading is paused.
extension ConnectionCore {
    /// The bytes of a read that looks for the header after a long frame.
    static let shortReadSize = 16 << 10

    @inline(__always)
    func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        if bytes.count < Self.windowedSizeMin && guards == nil && compression == nil {
            unsafe receivePiece(bytes)
        } else {
            unsafe receiveMuch(bytes)
        }
    }

    /// Receives bytes that may take long, or that are subject to rates.
    @inline(never)
    private func receiveMuch(_ bytes: UnsafeMutableRawBufferPointer) {
        if let guards, guards.hasRates {
            unsafe receiveInPieces(bytes, of: Self.pieceSizeByRates)
        } else if compression != nil {
            unsafe receiveInflating(bytes)
        } else if unsafe bytes.count >= Self.windowedSizeMin
            && isInSharedReadBuffer(bytes.baseAddress!)
        {
            unsafe receiveInWindows(bytes)
        } else {
            unsafe receivePiece(bytes)
        }
    }

    /// Hands bytes to the session, and performs its action. Returns the number of bytes at the end
    /// that must be passed again.
    @discardableResult
    func receivePiece(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let (messages, payloads) = unsafe (
            messageCounts.pointee.messagesReceived,
            messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.receive(base, count: bytes.count, into: &sink!)
        account(since: messages, payloads, read: bytes.count)
        return unsafe proceed(action, base)
    }

    /// Receives as many bytes as `window`, and the rest of the frame in which they end.
    @inline(never)
    func receivePiece(_ bytes: UnsafeMutableRawBufferPointer, window: Int) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let (messages, payloads) = unsafe (
            messageCounts.pointee.messagesReceived,
            messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.receive(
            base, count: bytes.count, window: window, into: &sink!)
        account(since: messages, payloads, read: bytes.count)
        return unsafe proceed(action, base)
    }

    /// Continues after a piece that began at `base`. Returns the number of bytes that must be
    /// passed again.
    @inline(__always)
    private func proceed(_ action: SessionAction, _ base: UnsafeMutableRawPointer) -> Int {
        guard case .proceed = action else { return perform(action) }
        if unsafe readsDirectly || !session.isBetweenFrames {
            let endsLongFrame = unsafe readsDirectly && !isInSharedReadBuffer(base)
            readsDirectly = unsafe session.wantsOwnReadBuffer || endsLongFrame
            setOwnReadBuffer(readsDirectly)
        }
        pauseIfOutboxIsFull()
        return 0
    }

    /// Continues with a message that takes more than a turn to inflate.
    func resumeInflating() {
        let (messages, payloads) = unsafe (
            messageCounts.pointee.messagesReceived,
            messageCounts.pointee.bytesReceived
        )
        let action = unsafe session.resume(into: &sink!)
        account(since: messages, payloads, read: 0)
        perform(action)
    }

    /// Counts what a piece has added to `messages` and `payloads`, the counts before it.
    @inline(__always)
    private func account(since messages: UInt64, _ payloads: UInt64, read: Int) {
        if unsafe messageCounts.pointee.messagesReceived != messages {
            lifecycle.receivedMessage()
        }
        if guards != nil { chargeRates(since: messages, payloads, read: read) }
        if compression != nil { resources.codecs.trim(&resources.assemblies) }
    }

    /// Applies the peer's rates to the messages and bytes of a piece.
    private func chargeRates(since messages: UInt64, _ bytes: UInt64, read: Int) {
        let counts = unsafe messageCounts.pointee
        let action = lifecycle.charge(
            messages: counts.messagesReceived - messages,
            // A message that inflates to nothing counts with the bytes that were read.
            bytes: max(counts.bytesReceived - bytes, UInt64(read)), now: loop.now)
        switch action {
        case .none: break
        case .fail(let fault): end(.fault(fault))
        case .pause(let limit):
            resources.counters.limits.hit(limit)
            updateReading()
            scheduleHeartbeat()
        }
    }

    /// Performs the session's action. Returns the number of bytes that must be passed again.
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
        case .fail(let fault): end(.fault(fault))
        }
        return 0
    }

    // MARK: - Pausing

    @inline(__always)
    private func pauseIfOutboxIsFull() {
        // A connection that owns the cork has no outbox.
        if !ownsCork, stage == .open, outboxCount > options.outboxHighWater {
            setReadingPaused(true, .outbox)
        }
    }

    /// Adds or removes a reason for pausing.
    func setReadingPaused(_ paused: Bool, _ reason: PauseReasons) {
        if paused {
            lifecycle.pause(for: reason)
        } else if lifecycle.resume(from: reason) {
            receiveHeldLater()
        }
        updateReading()
    }

    /// Reads, or stops reading, as the lifecycle wants it.
    func updateReading() {
        if lifecycle.wantsReading { startPolling() } else { stopPolling() }
    }

    /// Parses the held bytes, because the closing handshake can't wait for them any longer.
    func receiveHeldForGood() {
        // Its message is dropped: the application has closed.
        if unsafe session.isInflating { resumeInflating() }
        if var held = guards?.takeUnparsed() {
            unsafe held.withUnsafeMutableBytes { _ = unsafe receivePiece($0) }
        }
        updateReading()
    }
}
