/// The data frames of a ``Session``: messages in place, and messages assembled from pieces.
extension Session {
    mutating func receiveData(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let count = unsafe min(left, end - next)
        let isFinal = firstByte & FrameHeader.fin != 0
        let piece = unsafe next
        unsafe next += count
        left -= count
        // A message that lies entirely in this read needs no further memory.
        let isWhole = unsafe isFinal && left == 0 && fragments == 1 && assembly.count == 0
        var start = unsafe UnsafeMutableRawPointer(piece)
        if isWhole {
            unsafe unmask(piece, to: piece, count)
        } else if count > 0, sink.wantsMessages {
            guard let place = unsafe assemble(piece, count, &sink) else {
                return fail(.assembly, &sink)
            }
            unsafe start = unsafe place
        }
        if messageKind == .text, !isCompressed, count > 0, sink.wantsMessages,
            unsafe !utf8.validate(UnsafeRawPointer(start), count: count)
        {
            return fail(SessionFault(.invalidPayload, "text is not UTF-8"), &sink)
        }
        if left > 0 { return nil }
        phase = .header
        return unsafe isFinal ? endMessage(isWhole ? start : nil, count, &sink) : nil
    }

    /// Appends an unmasked piece to the message so far. Returns `nil` if the memory budget is
    /// spent.
    private mutating func assemble(
        _ piece: UnsafeMutableRawPointer, _ count: Int,
        _ sink: inout some SessionSink & ~Copyable
    ) -> UnsafeMutableRawPointer? {
        if let base = unsafe assembly.base, unsafe piece == base + assembly.count,
            unsafe count <= assembly.capacity - assembly.count
        {
            // It was read directly into its place (`readTarget`), and doesn't merely begin right
            // after a full buffer, where other memory may lie.
            unsafe unmask(piece, to: piece, count)
            unsafe assembly.count += count
            return unsafe piece
        }
        guard unsafe reserve(count, expected: assembly.count + count + left, &sink) else {
            return nil
        }
        let place = unsafe assembly.base! + assembly.count
        unsafe unmask(piece, to: place, count)
        unsafe assembly.count += count
        return unsafe place
    }

    /// Grows the assembly as bytes arrive: to twice their number, never to the announced size.
    private mutating func reserve(
        _ count: Int, expected: Int, _ sink: inout some SessionSink & ~Copyable
    ) -> Bool {
        let needed = unsafe assembly.count + count
        if unsafe needed <= assembly.capacity { return true }
        let capacity = unsafe max(needed, min(expected, max(assembly.capacity * 2, 4_096)))
        return unsafe sink.grow(&assembly, to: capacity, expected: expected)
    }

    @inline(__always)
    mutating func unmask(
        _ source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, _ count: Int
    ) {
        if role == .server {
            unsafe Masking.unmask(
                from: UnsafeRawPointer(source), to: target, count: count, key: maskingKey, phase: 0)
            maskingKey = Masking.advance(maskingKey, by: count)
        } else if unsafe source != target {
            unsafe target.copyMemory(from: source, byteCount: count)
        }
    }

    private mutating func endMessage(
        _ whole: UnsafeMutableRawPointer?, _ count: Int,
        _ sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let kind = messageKind!
        messageKind = nil
        guard sink.wantsMessages else {
            if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
            return nil
        }
        if isCompressed {
            let payload = unsafe UnsafeRawBufferPointer(
                start: whole ?? assembly.base, count: whole == nil ? assembly.count : count)
            return unsafe endCompressedMessage(payload, kind, &sink)
        }
        // §8.1: a text must end at the end of a character.
        if kind == .text, !utf8.isComplete {
            return fail(SessionFault(.invalidPayload, "text ends within a character"), &sink)
        }
        if let whole = unsafe whole {
            unsafe sink.message(UnsafeRawBufferPointer(start: whole, count: count), kind: kind)
        } else {
            unsafe sink.message(
                UnsafeRawBufferPointer(start: assembly.base, count: assembly.count), kind: kind)
            if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
        }
        return nil
    }

    /// Decompresses a message within the size limit (RFC 7692 §7.2.2), and delivers it.
    private mutating func endCompressedMessage(
        _ payload: UnsafeRawBufferPointer, _ kind: MessageKind,
        _ sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let limit = limits.messageSizeMax
        switch unsafe sink.inflate(payload, limit: limit) {
        case .tooBig:
            let reason = "message inflates over \(limit) bytes"
            return fail(SessionFault(.messageTooBig, reason, limit: .inflatedSize), &sink)
        case .corrupt:
            return fail(SessionFault(.invalidPayload, "compressed data is corrupt"), &sink)
        case .noMemory: return fail(.assembly, &sink)
        case .unfinished:
            guard unsafe keep(payload, &sink) else {
                sink.discardInflation()
                return fail(.assembly, &sink)
            }
            messageKind = kind
            phase = .inflating
            return nil
        case .message(let message):
            if kind == .text, let base = message.baseAddress,
                unsafe !UTF8Validator.isValid(base, count: message.count)
            {
                return fail(SessionFault(.invalidPayload, "text is not UTF-8"), &sink)
            }
            if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
            unsafe sink.message(message, kind: kind)
            return nil
        }
    }

    /// Copies a payload that may still lie in the memory of a read.
    private mutating func keep(
        _ payload: UnsafeRawBufferPointer, _ sink: inout some SessionSink & ~Copyable
    ) -> Bool {
        guard unsafe assembly.base == nil && !payload.isEmpty,
            let source = payload.baseAddress
        else { return true }
        guard reserve(payload.count, expected: payload.count, &sink) else { return false }
        unsafe assembly.base!.copyMemory(from: source, byteCount: payload.count)
        unsafe assembly.count = payload.count
        return true
    }

    /// Continues a message that takes long to decompress.
    package mutating func resume(
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        guard phase == .inflating, let kind = messageKind else { return .proceed }
        messageKind = nil
        phase = .header
        guard sink.wantsMessages else {
            sink.discardInflation()
            if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
            return .proceed
        }
        let payload = unsafe UnsafeRawBufferPointer(start: assembly.base, count: assembly.count)
        if let action = unsafe endCompressedMessage(payload, kind, &sink) { return action }
        return phase == .inflating ? .yield(unread: 0) : .proceed
    }

    /// Returns the memory into which the connection may read the next bytes of a long frame
    /// directly: the end of the assembly, up to the end of the frame. Empty if the shared buffer is
    /// better.
    package mutating func readTarget(
        atMost: Int, into sink: inout some SessionSink & ~Copyable
    ) -> UnsafeMutableRawBufferPointer {
        guard wantsOwnReadBuffer, sink.wantsMessages else {
            return unsafe .init(start: nil, count: 0)
        }
        let wanted = min(left, atMost)
        if unsafe assembly.capacity - assembly.count < min(wanted, Self.directReadMin) {
            // At most as much again as has arrived already.
            let room = unsafe min(wanted, max(assembly.count, Self.directReadMin))
            guard unsafe reserve(room, expected: assembly.count + left, &sink) else {
                return unsafe .init(start: nil, count: 0)
            }
        }
        return unsafe .init(
            start: assembly.base! + assembly.count,
            count: min(wanted, assembly.capacity - assembly.count))
    }

    /// Whether enough of the frame is missing to make a direct read worthwhile.
    @usableFromInline package var wantsOwnReadBuffer: Bool {
        unsafe phase == .payload && left >= Self.directReadMin && assembly.base != nil
    }

    private static let directReadMin = 16 << 10
}

extension SessionFault {
    /// The error for a spent budget of all partly received messages.
    fileprivate static var assembly: SessionFault {
        SessionFault(.tryAgainLater, "too much is being received at once", limit: .assemblySize)
    }
}
