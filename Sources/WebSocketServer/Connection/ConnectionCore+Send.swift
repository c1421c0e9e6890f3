import PubSub
import UVTransport
import WebSocketProtocol

/// The writing half: frames are encoded straight into the loop's cork, or into the outbox.
extension ConnectionCore {
    /// The minimum size of a payload that is passed to the kernel without being copied.
    static let gatherSizeMin = 64 << 10

    /// Sends a message; any thread.
    ///
    /// Once this turn has written something, there is nothing left to check: a connection that owns
    /// the cork is open and has no outbox.
    func sendMessage(_ payload: UnsafeRawBufferPointer, _ kind: MessageKind)
        -> Connection.SendOutcome
    {
        guard loop.isCurrent else { return unsafe sendFromElsewhere(payload, kind) }
        guard stage == .open else { return .dropped }
        let counts = unsafe messageCounts
        let payloadCount = payload.count
        unsafe counts.pointee.messagesSent &+= 1
        unsafe counts.pointee.bytesSent &+= UInt64(payloadCount)
        if payloadCount < Int(corkableSizeMax) {
            // It fits, and so the longest form of a header is left out of the code.
            let count = Int(UInt16(truncatingIfNeeded: payloadCount))
            let size = FrameHeader.size(payload: count, isMasked: false)
            var place = unsafe appendCorked(size &+ count)
            if unsafe place == nil {
                // The first message of a turn.
                unsafe place = unsafe takeCork(size &+ count)
                lifecycle.sentMessage(now: loop.now)
            }
            if let place = unsafe place {
                let short = unsafe UnsafeRawBufferPointer(start: payload.baseAddress, count: count)
                unsafe encode(FrameHeader.fin | kind.rawValue, short, to: place, size)
                return .accepted
            }
        }
        return unsafe sendSlowly(payload, kind)
    }

    /// Sends a message without compressing it; any thread.
    func sendPlain(_ payload: UnsafeRawBufferPointer, _ kind: MessageKind)
        -> Connection.SendOutcome
    {
        guard loop.isCurrent else {
            return unsafe sendFromElsewhere(payload, kind, compresses: false)
        }
        guard stage == .open else { return .dropped }
        unsafe messageCounts.pointee.messagesSent &+= 1
        unsafe messageCounts.pointee.bytesSent &+= UInt64(payload.count)
        return unsafe sendSlowly(payload, kind, compresses: false)
    }

    @inline(never)
    private func sendFromElsewhere(
        _ payload: UnsafeRawBufferPointer, _ kind: MessageKind, compresses: Bool = true
    ) -> Connection.SendOutcome {
        let copy = unsafe [UInt8](payload)
        let handedOver = loop.execute { [self] in
            _ = unsafe copy.withUnsafeBytes {
                unsafe compresses ? sendMessage($0, kind) : sendPlain($0, kind)
            }
        }
        return handedOver ? .accepted : .dropped
    }

    /// Sends a message that doesn't fit into the cork, or that may be compressed.
    @inline(never)
    private func sendSlowly(
        _ plain: UnsafeRawBufferPointer, _ kind: MessageKind, compresses: Bool = true
    ) -> Connection.SendOutcome {
        if hasOutbox {
            if let subscriber, subscriber.hasBacklog,
                let topics = resources.topics
            {
                // Queued after the waiting publications, so that the order is kept.
                let item = unsafe Backlog.Item.own([UInt8](plain), kind, compresses: compresses)
                guard topics.delivery.queue(item, for: subscriber) else { return .dropped }
                lifecycle.reportedBackpressure()
                return .aboveHighWater
            }
            if outboxCount > options.outboxMax {
                dropSlowConsumer()
                return .dropped
            }
        }
        return unsafe sendNow(plain, kind, compresses: compresses)
    }

    /// Sends a message after the queued data, however much that is.
    func sendNow(
        _ plain: UnsafeRawBufferPointer, _ kind: MessageKind, compresses: Bool
    ) -> Connection.SendOutcome {
        lifecycle.sentMessage(now: loop.now)
        var payload = unsafe plain
        var firstByte = FrameHeader.fin | kind.rawValue
        if compresses, plain.count >= Int(corkableSizeMax),
            let deflated = unsafe deflate(plain)
        {
            // From here on, it must be sent, because it is part of the context.
            unsafe payload = unsafe deflated
            firstByte |= FrameHeader.rsv1
        }
        if role == .server, payload.count < Self.gatherSizeMin {
            let size = FrameHeader.size(payload: payload.count, isMasked: false)
            if let place = unsafe takeCork(size &+ payload.count) {
                unsafe encode(firstByte, payload, to: place, size)
                return .accepted
            }
        }
        unsafe sendFrame(firstByte, payload)
        // A connection that owns the cork has no outbox.
        guard !ownsCork, outboxCount > options.outboxHighWater else { return .accepted }
        lifecycle.reportedBackpressure()
        return .aboveHighWater
    }

    private func deflate(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let compression, payload.count >= compression.threshold
        else { return nil }
        let hadSendContext = compression.hasSendContext
        let deflated = unsafe compression.deflate(payload)
        // The peer's window now holds a message that is in no other peer's window.
        if let subscriber, unsafe deflated != nil {
            subscriber.context = nil
        }
        // A context has begun, which is released once the connection is idle.
        if !hadSendContext, compression.hasSendContext { scheduleHeartbeat() }
        return unsafe deflated
    }

    /// Writes an unmasked frame whose header takes `size` bytes.
    @inline(__always)
    private func encode(
        _ firstByte: UInt8, _ payload: UnsafeRawBufferPointer,
        to place: UnsafeMutableRawPointer, _ size: Int
    ) {
        _ = unsafe FrameHeader.encode(
            firstByte: firstByte, payload: payload.count, maskingKey: nil, to: place)
        guard let base = payload.baseAddress else { return }
        unsafe (place + size).copyMemory(from: base, byteCount: payload.count)
    }

    private func sendFrame(_ firstByte: UInt8, _ payload: UnsafeRawBufferPointer) {
        let isMasked = role == .client
        let size = FrameHeader.size(payload: payload.count, isMasked: isMasked)
        if payload.count >= Self.gatherSizeMin, !isMasked {
            return unsafe sendLarge(firstByte, payload)
        }
        guard let place = unsafe append(size &+ payload.count) else { return }
        if isMasked {
            let key = resources.maskingKeys.next()
            _ = unsafe FrameHeader.encode(
                firstByte: firstByte, payload: payload.count, maskingKey: key, to: place)
            guard let base = payload.baseAddress else { return }
            unsafe Masking.unmask(
                from: base, to: place + size, count: payload.count, key: key, phase: 0)
        } else {
            unsafe encode(firstByte, payload, to: place, size)
        }
    }

    private func sendLarge(_ firstByte: UInt8, _ payload: UnsafeRawBufferPointer) {
        unsafe withUnsafeTemporaryAllocation(byteCount: FrameHeader.sizeMax, alignment: 8) {
            header in
            let size = unsafe FrameHeader.encode(
                firstByte: firstByte, payload: payload.count, maskingKey: nil,
                to: header.baseAddress!)
            unsafe write(
                header: UnsafeRawBufferPointer(rebasing: header[..<size]), payload: payload)
        }
    }

    /// Sends a ping or a pong; payloads are at most 125 bytes.
    func sendControl(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer) {
        guard stage == .open || stage == .closing else { return }
        unsafe sendFrame(FrameHeader.fin | opcode.rawValue, payload)
    }

    /// Sends a Close frame, as the lifecycle has decided.
    func sendClose(_ code: CloseCode, _ reason: String) {
        unsafe code.payload(reason: reason).withUnsafeBytes {
            unsafe sendFrame(FrameHeader.fin | Opcode.close.rawValue, $0)
        }
    }

    /// Sends bytes of HTTP.
    func sendRaw(_ bytes: [UInt8]) {
        guard !bytes.isEmpty, let place = unsafe append(bytes.count) else { return }
        unsafe bytes.withUnsafeBytes {
            unsafe place.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }
}
