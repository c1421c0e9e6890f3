import UVTransport
import WebSocketProtocol

/// The writing half: frames are encoded straight into the loop's cork, or into the outbox.
extension ConnectionCore {
    /// A payload of at least this goes to the kernel from where it lies, uncopied.
    private static let gatherSizeMax = 64 << 10

    /// Sends a message; any thread.
    ///
    /// Behind what this turn has written already there is nothing left to check: whoever owns
    /// the cork is open and has no outbox.
    func sendMessage(_ payload: UnsafeRawBufferPointer, _ kind: MessageKind)
        -> Connection.SendOutcome
    {
        guard loop.isCurrent else { return unsafe sendFromElsewhere(payload, kind) }
        guard unsafe stage == .open else { return .dropped }
        let counts = unsafe context.messageCounts
        unsafe counts.pointee.messagesSent &+= 1
        unsafe counts.pointee.bytesSent &+= UInt64(payload.count)
        if role == .server, payload.count < Self.gatherSizeMax {
            let size = FrameHeader.size(payload: payload.count, isMasked: false)
            if let place = unsafe appendCorked(size &+ payload.count) {
                unsafe encode(FrameHeader.fin | kind.rawValue, payload, to: place, size)
                return .accepted
            }
        }
        return unsafe sendSlowly(payload, kind)
    }

    @inline(never)
    private func sendFromElsewhere(_ payload: UnsafeRawBufferPointer, _ kind: MessageKind)
        -> Connection.SendOutcome
    {
        let copy = unsafe [UInt8](payload)
        let handedOver = loop.execute { [self] in
            _ = unsafe copy.withUnsafeBytes { unsafe sendMessage($0, kind) }
        }
        return handedOver ? .accepted : .dropped
    }

    /// The first message of a turn, and any that the cork can't take.
    @inline(never)
    private func sendSlowly(_ payload: UnsafeRawBufferPointer, _ kind: MessageKind)
        -> Connection.SendOutcome
    {
        if role == .server, payload.count < Self.gatherSizeMax {
            let size = FrameHeader.size(payload: payload.count, isMasked: false)
            if let place = unsafe takeCork(size &+ payload.count) {
                unsafe lastMessage = loop.now
                unsafe encode(FrameHeader.fin | kind.rawValue, payload, to: place, size)
                return .accepted
            }
        }
        let queued = outboxCount
        if unsafe queued > options.outboxMax {
            dropSlowConsumer()
            return .dropped
        }
        unsafe lastMessage = loop.now
        unsafe sendFrame(FrameHeader.fin | kind.rawValue, payload)
        // Who owns the cork has no outbox.
        guard !ownsCork, unsafe outboxCount > options.outboxHighWater else { return .accepted }
        unsafe owesDrain = true
        return .aboveHighWater
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
        if payload.count >= Self.gatherSizeMax, !isMasked {
            return unsafe sendLarge(firstByte, payload)
        }
        guard let place = unsafe append(size &+ payload.count) else { return }
        if isMasked {
            let key = context.maskingKeys.next()
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

    /// Sends a control frame; payloads are at most 125 bytes.
    func sendControl(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer) {
        guard unsafe stage == .open || stage == .closing else { return }
        unsafe sendFrame(FrameHeader.fin | opcode.rawValue, payload)
    }

    /// Sends a Close frame.
    func sendControl(_ opcode: Opcode, _ code: CloseCode, _ reason: String) {
        unsafe code.payload(reason: reason).withUnsafeBytes { unsafe sendControl(opcode, $0) }
    }

    /// Writes bytes of HTTP.
    func sendRaw(_ bytes: [UInt8]) {
        guard !bytes.isEmpty, let place = unsafe append(bytes.count) else { return }
        unsafe bytes.withUnsafeBytes {
            unsafe place.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }
}
