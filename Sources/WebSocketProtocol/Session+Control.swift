/// The control frames of a ``Session``: pings, pongs and the peer's Close frame (RFC 6455 §5.5).
extension Session {
    mutating func receiveControl(
        _ next: inout UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer,
        into sink: inout some SessionSink & ~Copyable
    ) -> SessionAction? {
        let count = unsafe min(left, end - next)
        let piece = unsafe next
        unsafe next += count
        var payload = unsafe UnsafeRawBufferPointer(start: piece, count: count)
        if count < left || partialCount > 0 {
            // Split between reads: collected in memory of its own, because it may come between the
            // frames of a message.
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

    /// Parses the code and reason of a Close frame (§5.5.1, §7.4).
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
