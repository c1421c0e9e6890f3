/// The reading half of a WebSocket connection (RFC 6455 §5–§8): bytes in, messages out.
///
/// It is a value without a socket, clock or thread. It unmasks in place. Messages that lie entirely
/// in one read are delivered without a copy; those that span reads or frames are assembled. It
/// never throws: an error of the peer is returned once, as `.fail`.
// Safety: it owns its buffers, and the callers of `receive` guarantee the bytes they pass.
@safe
@usableFromInline
package struct Session: ~Copyable {
    /// The role of the reader: servers accept only masked frames, clients only unmasked ones
    /// (§5.1).
    @usableFromInline
    @frozen
    package enum Role: UInt8, Sendable { case server, client }

    @usableFromInline
    enum Phase: UInt8 {
        /// Between frames, or in a header.
        case header
        /// In the payload of a data frame.
        case payload
        /// In the payload of a control frame.
        case control
        /// A complete compressed message is being decompressed. Nothing is read meanwhile.
        case inflating
        /// After a Close frame or an error: all bytes are ignored.
        case ended
    }

    @usableFromInline package private(set) var limits: SessionLimits
    @usableFromInline let role: Role
    /// Whether permessage-deflate was negotiated, so that RSV1 may mark a message as compressed
    /// (RFC 7692 §6).
    @usableFromInline let allowsCompression: Bool
    @usableFromInline var phase = Phase.header
    /// The first byte of the frame whose payload is being read.
    @usableFromInline var firstByte: UInt8 = 0
    /// Whether the current message is compressed.
    @usableFromInline var isCompressed = false
    /// The kind of the current message, between its first and its last frame.
    @usableFromInline var messageKind: MessageKind?
    /// The validator of a text message that comes in pieces.
    @usableFromInline var utf8 = UTF8Validator()
    /// The number of bytes in `partial`.
    @usableFromInline var partialCount: UInt8 = 0
    /// The masking key of the current frame, rotated so that the next payload byte is at phase 0.
    @usableFromInline var maskingKey: UInt32 = 0
    /// The number of frames of the current message so far.
    @usableFromInline var fragments: Int32 = 0
    /// The number of payload bytes of the current frame that haven't arrived yet.
    @usableFromInline var left = 0
    /// The start of a header that is split between two reads.
    @usableFromInline var partial: (UInt64, UInt64) = (0, 0)
    /// The message so far, if it spans reads or frames.
    @usableFromInline var assembly = unsafe AssemblyBuffer()
    /// The payload of a control frame so far. Only allocated if it is split between reads.
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

    /// Takes over other limits, from the next frame on.
    package mutating func replaceLimits(by other: SessionLimits) { limits = other }

    /// Whether no header, frame or message is partly received.
    package var isBetweenMessages: Bool {
        phase == .header && partialCount == 0 && messageKind == nil
    }

    /// Whether a message takes longer than one turn to decompress. ``resume(into:)`` continues it.
    package var isInflating: Bool { phase == .inflating }

    /// The memory of a partly received message, in bytes.
    package var heldSize: Int { unsafe assembly.capacity }

    /// Whether the last byte was the end of a frame, or is in a header.
    @inlinable @inline(__always)
    package var isBetweenFrames: Bool { phase == .header }

    /// Frees the memory of a partly received message when the connection ends.
    package mutating func discard(into sink: inout some SessionSink & ~Copyable) {
        if phase == .inflating { sink.discardInflation() }
        if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
        phase = .ended
    }

    /// Processes received bytes, and unmasks them in place.
    ///
    /// An error of the peer is returned once as `.fail`, and a Close frame as `.closeReceived`. All
    /// bytes after either are ignored (RFC 6455 §5.5.1, §7.1.7).
    @inlinable
    package mutating func receive(
        _ bytes: UnsafeMutableRawPointer, count: Int, into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        unsafe receiveFrames(bytes, count: count, window: nil, into: &sink)
    }

    /// Processes as many received bytes as fit into the connection's share of a turn.
    ///
    /// - Parameter window: The number of bytes after which no further frame is begun, and `.yield`
    ///   is returned instead.
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
        // The longest header fits after this position, so that its fields can be loaded before it
        // is known which of them are present.
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

    /// Processes the common case: messages of one frame that lie entirely in this read. Stops
    /// before the first byte of anything else, and begins no frame after `lastStart`.
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
            // Only FIN, text or binary (§5.2), masked as the role requires (§5.1).
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
            // Text that isn't UTF-8 is masked again and left to the general path, which fails.
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
