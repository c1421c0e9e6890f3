/// The reading half of a WebSocket connection (RFC 6455 §5–§8): bytes in, messages out.
///
/// A value without socket, clock or thread. It unmasks in place, hands whole messages to its
/// sink without copying them where one read holds them, and puts together those that span
/// reads or frames. It never throws: a peer's fault is returned once, as `.fail`.
// Safety: it owns its buffers; `receive` is told the truth about what it is given.
@safe
@usableFromInline
package struct Session: ~Copyable {
    /// Who reads: a server takes masked frames only, a client unmasked ones only (§5.1).
    @usableFromInline
    @frozen
    package enum Role: UInt8, Sendable { case server, client }

    @usableFromInline
    enum Phase: UInt8 {
        /// Between frames, or within a header.
        case header
        /// Within the payload of a data frame.
        case payload
        /// Within the payload of a control frame.
        case control
        /// A compressed message is whole, and is being inflated: nothing is read meanwhile.
        case inflating
        /// A Close frame was received or a fault found: bytes are ignored.
        case ended
    }

    @usableFromInline package let limits: SessionLimits
    @usableFromInline let role: Role
    /// permessage-deflate was agreed: RSV1 may mark a message as compressed (RFC 7692 §6).
    @usableFromInline let allowsCompression: Bool
    @usableFromInline var phase = Phase.header
    /// The first byte of the frame whose payload is being read.
    @usableFromInline var firstByte: UInt8 = 0
    /// The message whose frames are being read is compressed.
    @usableFromInline var isCompressed = false
    /// The kind of a message whose first frame has come and whose last has not.
    @usableFromInline var messageKind: MessageKind?
    /// Checks a text message's pieces; a whole one is checked in one go.
    @usableFromInline var utf8 = UTF8Validator()
    /// Bytes in `partial`.
    @usableFromInline var partialCount: UInt8 = 0
    /// The current frame's masking key, turned so that the next payload byte is at phase 0.
    @usableFromInline var maskingKey: UInt32 = 0
    /// Frames of the current message so far.
    @usableFromInline var fragments: Int32 = 0
    /// Payload bytes of the current frame that have not come yet.
    @usableFromInline var left = 0
    /// A header that a read has cut in two.
    @usableFromInline var partial: (UInt64, UInt64) = (0, 0)
    /// The message so far, when it spans reads or frames.
    @usableFromInline var assembly = unsafe AssemblyBuffer()
    /// A control frame's payload so far; allocated only when a read has cut one in two.
    @usableFromInline var control: UnsafeMutableRawPointer?

    package init(role: Role, limits: SessionLimits, allowsCompression: Bool = false) {
        self.role = role
        self.allowsCompression = allowsCompression
        self.limits = limits
    }

    deinit {
        unsafe control?.deallocate()
        unsafe assert(assembly.base == nil, "release a session's buffer before letting it go")
    }

    /// Whether nothing is half received: no header, frame or message.
    package var isBetweenMessages: Bool {
        phase == .header && partialCount == 0 && messageKind == nil
    }

    /// Whether a message takes longer to inflate than one turn: ``resume(into:)`` goes on.
    package var isInflating: Bool { phase == .inflating }

    /// The bytes of memory that a partly received message takes.
    package var heldSize: Int { unsafe assembly.capacity }

    /// Whether the last byte ended a frame, or left a header unfinished.
    @inlinable @inline(__always)
    package var isBetweenFrames: Bool { phase == .header }

    /// Gives the assembly's memory back when the connection ends mid-message.
    package mutating func discard(into sink: inout some SessionSink & ~Copyable) {
        if phase == .inflating { sink.discardInflation() }
        if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
        phase = .ended
    }

    /// Consumes received bytes, unmasking them in place.
    ///
    /// Never throws: a peer's fault is returned once as `.fail`, and a Close frame as
    /// `.closeReceived`; what comes after either is ignored (RFC 6455 §5.5.1, §7.1.7).
    @inlinable
    package mutating func receive(
        _ bytes: UnsafeMutableRawPointer, count: Int, into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        unsafe receiveFrames(bytes, count: count, window: nil, into: &sink)
    }

    /// The same, as far as a turn may take.
    ///
    /// - Parameter window: The number of bytes after which no further frame begins: `.yield` then.
    @inlinable
    package mutating func receive(
        _ bytes: UnsafeMutableRawPointer, count: Int, window: Int,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        unsafe receiveFrames(bytes, count: count, window: window, into: &sink)
    }

    @inlinable @inline(__always)
    mutating func receiveFrames(
        _ bytes: UnsafeMutableRawPointer, count: Int, window: Int?,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        var next = unsafe bytes
        let end = unsafe bytes + count
        // A header's longest form fits behind it, so its fields can be loaded before they are known
        // to be there: it needs no more than this much room.
        let roomMin = role == .server ? 6 : 2
        var lastStart = unsafe end - roomMin
        if let window {
            unsafe lastStart = unsafe min(lastStart, bytes + (min(window, count) &- 1))
        }
        while true {
            if phase == .header && partialCount == 0 {
                unsafe receiveWholeMessages(&next, end, lastStart: lastStart, into: &sink)
                if unsafe next == end { return .proceed }
                if let window, unsafe next - bytes >= window {
                    return unsafe .yield(unread: end - next)
                }
            }
            if let action = unsafe receiveSlowly(&next, end, into: &sink) { return action }
            if unsafe next == end { return phase == .inflating ? .yield(unread: 0) : .proceed }
        }
    }

    /// The common case: whole messages of one frame each, entirely in this read. Stops before
    /// the first byte of anything else, and begins none behind `lastStart`.
    @inlinable @inline(__always)
    mutating func receiveWholeMessages(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        lastStart: UnsafeMutableRawPointer, into sink: inout some SessionSink & ~Copyable
    ) {
        guard messageKind == nil else { return }
        let keySize = role == .server ? 4 : 0
        let maskBit: UInt8 = role == .server ? FrameHeader.masked : 0
        let sizeMax = unsafe limits.values.pointee.frameSizeMax
        while unsafe next <= lastStart {
            let first = unsafe next.load(as: UInt8.self)
            let second = unsafe next.load(fromByteOffset: 1, as: UInt8.self)
            // FIN alone, text or binary (§5.2), masked as the role demands (§5.1).
            let opcode = first ^ FrameHeader.fin
            guard opcode == 1 || opcode == 2, second & FrameHeader.masked == maskBit else { return }
            var length = Int(second & FrameHeader.lengthBits)
            var headerSize = 2
            if length >= 126 {
                guard length == 126, unsafe end - next >= 4 else { return }
                length = unsafe Int(
                    UInt16(bigEndian: next.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
                guard length >= 126 else { return }
                headerSize = 4
            }
            let payload = unsafe next + (headerSize &+ keySize)
            guard unsafe length <= end - payload, length <= sizeMax, sink.wantsMessages else {
                return
            }
            if role == .server {
                let key = unsafe next.loadUnaligned(fromByteOffset: headerSize, as: UInt32.self)
                unsafe Masking.unmask(payload, count: length, key: key, phase: 0)
            }
            // A text that isn't UTF-8 is left, unmasked back, to the general path to fail.
            if opcode == 1, unsafe !UTF8Validator.isValid(UnsafeRawPointer(payload), count: length)
            {
                if role == .server {
                    let key = unsafe next.loadUnaligned(fromByteOffset: headerSize, as: UInt32.self)
                    unsafe Masking.unmask(payload, count: length, key: key, phase: 0)
                }
                return
            }
            unsafe next = unsafe payload + length
            unsafe sink.message(
                UnsafeRawBufferPointer(start: payload, count: length),
                kind: opcode == 1 ? .text : .binary)
        }
    }
}
