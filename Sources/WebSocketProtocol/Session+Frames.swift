/// The general path of ``Session``: any frame, cut anywhere, with every rule checked.
extension Session {
    /// Takes one step through the bytes: a header, or a payload's next piece. `nil` means go on.
    @usableFromInline
    mutating func receiveSlowly(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        switch phase {
        case .header:
            guard let header = unsafe takeHeader(&next, end) else { return nil }
            if let fault = beginFrame(header) { return fail(fault, &sink) }
            // A frame without payload is over with its header.
            return unsafe left == 0 ? receivePayload(&next, end, into: &sink) : nil
        case .payload, .control:
            return unsafe receivePayload(&next, end, into: &sink)
        case .ended:
            unsafe next = unsafe end
            return .proceed
        }
    }

    private mutating func receivePayload(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        unsafe phase == .control
            ? receiveControl(&next, end, into: &sink) : receiveData(&next, end, into: &sink)
    }

    private mutating func fail(
        _ fault: SessionFault, _ sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        phase = .ended
        if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
        return .fail(fault)
    }

    // MARK: - Headers

    private struct Header {
        var first: UInt8
        var second: UInt8
        var length: UInt64
        var key: UInt32
    }

    /// Collects a header that may come in pieces; `nil` until it is whole.
    private mutating func takeHeader(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer
    ) -> Header? {
        var bytes = partial
        var count = Int(partialCount)
        let isWhole = unsafe withUnsafeMutableBytes(of: &bytes) { bytes in
            while true {
                let needed = unsafe count < 2 ? 2 : headerSize(bytes[0], bytes[1])
                if count == needed { return true }
                if unsafe next == end { return false }
                unsafe bytes[count] = unsafe next.load(as: UInt8.self)
                count += 1
                unsafe next += 1
            }
        }
        partial = bytes
        partialCount = isWhole ? 0 : UInt8(count)
        return unsafe isWhole
            ? withUnsafeBytes(of: bytes) { unsafe Self.parse($0, count: count) } : nil
    }

    /// The size of a header by its first two bytes: those alone when they are a fault already,
    /// so that it is found without waiting for the rest.
    private func headerSize(_ first: UInt8, _ second: UInt8) -> Int {
        let length = second & FrameHeader.lengthBits
        let isControl = first & 0x08 != 0
        let isMasked = second & FrameHeader.masked != 0
        if isMasked != (role == .server) || first & reservedBits != 0
            || isControl && length > UInt8(FrameHeader.controlPayloadMax)
        {
            return 2
        }
        return (length == 126 ? 4 : length == 127 ? 10 : 2) + (isMasked ? 4 : 0)
    }

    /// Reads the fields of a header; those that the count leaves out are zero.
    private static func parse(_ bytes: UnsafeRawBufferPointer, count: Int) -> Header {
        var header = unsafe Header(first: bytes[0], second: bytes[1], length: 0, key: 0)
        header.length = UInt64(header.second & FrameHeader.lengthBits)
        guard count > 2 else { return header }
        var offset = 2
        if header.length == 126 {
            header.length = unsafe UInt64(
                UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            offset = 4
        } else if header.length == 127 {
            header.length = unsafe UInt64(
                bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            offset = 10
        }
        if header.second & FrameHeader.masked != 0 {
            header.key = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        }
        return header
    }

    /// The bits that must be zero in any frame: RSV1 too, unless compression was agreed.
    private var reservedBits: UInt8 {
        allowsCompression
            ? FrameHeader.reservedBits & ~FrameHeader.rsv1 : FrameHeader.reservedBits
    }

    /// Checks a header against the protocol and the limits, and begins its frame.
    private mutating func beginFrame(_ header: Header) -> SessionFault? {
        // §5.2: reserved bits are zero unless an extension says otherwise.
        if header.first & reservedBits != 0 {
            return SessionFault(.protocolError, "reserved bits are set")
        }
        guard let opcode = Opcode(rawValue: header.first & FrameHeader.opcodeBits) else {
            return SessionFault(.protocolError, "reserved opcode")
        }
        // §5.1: a client masks all its frames, a server none.
        let isMasked = header.second & FrameHeader.masked != 0
        if isMasked != (role == .server) {
            return SessionFault(
                .protocolError, isMasked ? "frame is masked" : "frame is not masked")
        }
        let isFinal = header.first & FrameHeader.fin != 0
        // RFC 7692 §6: RSV1 marks a message by its first frame, and no other.
        let isMarked = header.first & FrameHeader.rsv1 != 0
        if isMarked, opcode != .text, opcode != .binary {
            return SessionFault(.protocolError, "RSV1 is set on a frame that begins no message")
        }
        switch opcode {
        case .close, .ping, .pong:
            // §5.5: control frames are short and whole.
            if header.second & FrameHeader.lengthBits > UInt8(FrameHeader.controlPayloadMax) {
                return SessionFault(.protocolError, "control frame is too long")
            }
            if !isFinal { return SessionFault(.protocolError, "control frame is fragmented") }
            phase = .control
        case .continuation, .text, .binary:
            if let fault = beginDataFrame(opcode, header) { return fault }
            phase = .payload
        }
        firstByte = header.first
        maskingKey = header.key
        left = Int(header.length)
        return nil
    }

    private mutating func beginDataFrame(_ opcode: Opcode, _ header: Header) -> SessionFault? {
        // §5.2: the minimal form must be used, and the top bit be zero.
        let form = header.second & FrameHeader.lengthBits
        if form == 126 && header.length < 126 || form == 127 && header.length <= 0xFFFF {
            return SessionFault(.protocolError, "length is not in its shortest form")
        }
        if header.length > UInt64(Int64.max) {
            return SessionFault(.protocolError, "length has its top bit set")
        }
        // §5.4: a message begins with its kind and goes on with continuations.
        if opcode == .continuation {
            if messageKind == nil {
                return SessionFault(.protocolError, "continuation without a message")
            }
        } else {
            if messageKind != nil {
                return SessionFault(.protocolError, "message begins within another")
            }
            messageKind = opcode == .text ? .text : .binary
            isCompressed = header.first & FrameHeader.rsv1 != 0
            fragments = 0
            utf8.reset()
        }
        // Limits, before a byte of the payload is stored: 1009.
        if header.length > UInt64(limits.frameSizeMax) {
            return SessionFault(.messageTooBig, "frame is over \(limits.frameSizeMax) bytes")
        }
        if unsafe Int(header.length) > limits.messageSizeMax - assembly.count {
            return SessionFault(.messageTooBig, "message is over \(limits.messageSizeMax) bytes")
        }
        fragments += 1
        if Int(fragments) > limits.fragmentsMax {
            return SessionFault(
                .messageTooBig, "message is in over \(limits.fragmentsMax) frames")
        }
        return nil
    }

    // MARK: - Data

    private mutating func receiveData(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let count = unsafe min(left, end - next)
        let isFinal = firstByte & FrameHeader.fin != 0
        let piece = unsafe next
        unsafe next += count
        left -= count
        // A message that this read holds whole needs no memory of ours.
        let isWhole = unsafe isFinal && left == 0 && fragments == 1 && assembly.count == 0
        var start = unsafe UnsafeMutableRawPointer(piece)
        if isWhole {
            unsafe unmask(piece, to: piece, count)
        } else if count > 0, sink.wantsMessages {
            guard let place = unsafe assemble(piece, count, &sink) else {
                return fail(
                    SessionFault(.tryAgainLater, "too much is being received at once"), &sink)
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

    /// Puts a piece behind what came before, unmasked; `nil` when there may be no more memory.
    private mutating func assemble(
        _ piece: UnsafeMutableRawPointer, _ count: Int,
        _ sink: inout some SessionSink & ~Copyable
    ) -> UnsafeMutableRawPointer? {
        if let base = unsafe assembly.base, unsafe piece == base + assembly.count,
            unsafe count <= assembly.capacity - assembly.count
        {
            // It was read straight into its place (`readTarget`), and not just behind a full
            // buffer, where other memory may begin.
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

    /// Grows the assembly as bytes arrive: to twice what is there, never to what is announced.
    private mutating func reserve(
        _ count: Int, expected: Int, _ sink: inout some SessionSink & ~Copyable
    ) -> Bool {
        let needed = unsafe assembly.count + count
        if unsafe needed <= assembly.capacity { return true }
        let capacity = unsafe max(needed, min(expected, max(assembly.capacity * 2, 4_096)))
        return unsafe sink.grow(&assembly, to: capacity, expected: expected)
    }

    @inline(__always)
    private mutating func unmask(
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
        // §8.1: a text must end at a character's end.
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

    /// Inflates a message within what a message may be (RFC 7692 §7.2.2), and delivers it.
    private mutating func endCompressedMessage(
        _ payload: UnsafeRawBufferPointer, _ kind: MessageKind,
        _ sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        switch unsafe sink.inflate(payload, limit: limits.messageSizeMax) {
        case .tooBig:
            let limit = limits.messageSizeMax
            return fail(SessionFault(.messageTooBig, "message inflates over \(limit) bytes"), &sink)
        case .corrupt:
            return fail(SessionFault(.invalidPayload, "compressed data is corrupt"), &sink)
        case .noMemory:
            return fail(
                SessionFault(.tryAgainLater, "too much is being received at once"), &sink)
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

    /// Where the connection may read the next bytes of a long frame directly: the end of the
    /// assembly, never past the frame. Empty when the shared buffer is the better place.
    package mutating func readTarget(
        atMost: Int, into sink: inout some SessionSink & ~Copyable
    ) -> UnsafeMutableRawBufferPointer {
        guard wantsOwnReadBuffer, sink.wantsMessages else {
            return unsafe .init(start: nil, count: 0)
        }
        let wanted = min(left, atMost)
        if unsafe assembly.capacity - assembly.count < min(wanted, Self.directReadMin) {
            // Only as much again as has come already.
            let room = unsafe min(wanted, max(assembly.count, Self.directReadMin))
            guard unsafe reserve(room, expected: assembly.count + left, &sink) else {
                return unsafe .init(start: nil, count: 0)
            }
        }
        return unsafe .init(
            start: assembly.base! + assembly.count,
            count: min(wanted, assembly.capacity - assembly.count))
    }

    /// Whether enough of a frame is missing for reading around the shared buffer to pay.
    @usableFromInline package var wantsOwnReadBuffer: Bool {
        unsafe phase == .payload && left >= Self.directReadMin && assembly.base != nil
    }

    private static let directReadMin = 16 << 10

    // MARK: - Control frames

    private mutating func receiveControl(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let count = unsafe min(left, end - next)
        let piece = unsafe next
        unsafe next += count
        var payload = unsafe UnsafeRawBufferPointer(start: piece, count: count)
        if count < left || partialCount > 0 {
            // Cut by a read: collected in memory of its own, beside a message in progress.
            if unsafe control == nil {
                unsafe control = .allocate(byteCount: FrameHeader.controlPayloadMax, alignment: 8)
            }
            unsafe unmask(piece, to: control! + Int(partialCount), count)
            partialCount += UInt8(count)
            left -= count
            if left > 0 { return nil }
            unsafe payload = unsafe UnsafeRawBufferPointer(start: control, count: Int(partialCount))
            partialCount = 0
        } else {
            unsafe unmask(piece, to: piece, count)
            left = 0
        }
        phase = .header
        switch Opcode(rawValue: firstByte & FrameHeader.opcodeBits) {
        case .ping: unsafe sink.ping(payload)
        case .pong: unsafe sink.pong(payload)
        default: return unsafe receiveClose(payload, &sink)
        }
        return nil
    }

    /// A Close frame's code and reason (§5.5.1, §7.4).
    private mutating func receiveClose(
        _ payload: UnsafeRawBufferPointer, _ sink: inout some SessionSink & ~Copyable
    ) -> SessionAction {
        if unsafe payload.isEmpty {
            phase = .ended
            if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
            return .closeReceived(nil, reason: "")
        }
        guard payload.count >= 2 else {
            return fail(SessionFault(.protocolError, "close code is cut short"), &sink)
        }
        let code = unsafe CloseCode(
            rawValue: UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)))
        guard code.isValidOnWire else {
            return fail(SessionFault(.protocolError, "close code \(code.rawValue)"), &sink)
        }
        guard let reason = unsafe String(validating: payload[2...], as: UTF8.self) else {
            return fail(SessionFault(.invalidPayload, "close reason is not UTF-8"), &sink)
        }
        phase = .ended
        if unsafe assembly.base != nil { unsafe sink.release(&assembly) }
        return .closeReceived(code, reason: reason)
    }
}
