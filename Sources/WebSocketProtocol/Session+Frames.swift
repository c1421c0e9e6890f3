/// The general path of ``Session``: any frame, split anywhere, its header checked by every rule.
extension Session {
    /// Processes a header, or the next piece of a payload. Returns `nil` to continue.
    @usableFromInline
    mutating func receiveSlowly(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        switch phase {
        case .header:
            guard let header = unsafe takeHeader(&next, end) else { return nil }
            if let fault = beginFrame(header) { return fail(fault, &sink) }
            // A frame without payload ends with its header.
            return unsafe left == 0 ? receivePayload(&next, end, into: &sink) : nil
        case .payload, .control:
            return unsafe receivePayload(&next, end, into: &sink)
        case .inflating: return unsafe .yield(unread: end - next)
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

    mutating func fail(
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

    /// Collects a header that may come in pieces. Returns `nil` until it is complete.
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

    /// Returns the size of a header by its first two bytes; 2 if these are already an error, so
    /// that it is reported without waiting for the rest.
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

    /// Reads the fields of a header. Fields beyond the count are zero.
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

    /// The bits that must be zero in any frame, including RSV1 if compression wasn't negotiated.
    private var reservedBits: UInt8 {
        allowsCompression
            ? FrameHeader.reservedBits & ~FrameHeader.rsv1 : FrameHeader.reservedBits
    }

    /// Checks a header by the protocol and the limits, and begins its frame.
    private mutating func beginFrame(_ header: Header) -> SessionFault? {
        // §5.2: reserved bits are zero unless an extension defines them.
        if header.first & reservedBits != 0 {
            return SessionFault(.protocolError, "reserved bits are set")
        }
        guard let opcode = Opcode(rawValue: header.first & FrameHeader.opcodeBits) else {
            return SessionFault(.protocolError, "reserved opcode")
        }
        // §5.1: clients mask all their frames, servers none.
        let isMasked = header.second & FrameHeader.masked != 0
        if isMasked != (role == .server) {
            return SessionFault(
                .protocolError, isMasked ? "frame is masked" : "frame is not masked")
        }
        let isFinal = header.first & FrameHeader.fin != 0
        // RFC 7692 §6: RSV1 is set only in the first frame of a message.
        let isMarked = header.first & FrameHeader.rsv1 != 0
        if isMarked, opcode != .text, opcode != .binary {
            return SessionFault(.protocolError, "RSV1 is set on a frame that begins no message")
        }
        switch opcode {
        case .close, .ping, .pong:
            // §5.5: control frames are short and not fragmented.
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
        // §5.2: the shortest form must be used, and the top bit must be zero.
        let form = header.second & FrameHeader.lengthBits
        if form == 126 && header.length < 126 || form == 127 && header.length <= 0xFFFF {
            return SessionFault(.protocolError, "length is not in its shortest form")
        }
        if header.length > UInt64(Int64.max) {
            return SessionFault(.protocolError, "length has its top bit set")
        }
        // §5.4: the first frame of a message has its kind; the others are continuations.
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
        // The limits are checked before any byte of the payload is stored: 1009.
        let frameMax = isCompressed ? limits.compressedFrameSizeMax : limits.frameSizeMax
        let sizeMax =
            isCompressed ? limits.compressedMessageSizeMax : limits.messageSizeMax
        // Without a limit for frames, the limit of the message is exceeded. The reasons give the
        // configured limits, although those for compressed bytes are larger.
        if frameMax < sizeMax, header.length > UInt64(frameMax) {
            return SessionFault(
                .messageTooBig, "frame is over \(limits.frameSizeMax) bytes", limit: .frameSize)
        }
        if unsafe Int(clamping: header.length) > sizeMax - assembly.count {
            return SessionFault(
                .messageTooBig, "message is over \(limits.messageSizeMax) bytes",
                limit: .messageSize)
        }
        fragments += 1
        let fragmentsMax = unsafe limits.fragmentsMax(received: assembly.count)
        if Int(fragments) > fragmentsMax {
            return SessionFault(
                .messageTooBig, "message is in over \(fragmentsMax) frames", limit: .fragments)
        }
        return nil
    }
}
