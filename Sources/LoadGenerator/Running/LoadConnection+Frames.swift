import WebSocketProtocol

/// The reader of a ``LoadConnection``: headers, and the contents of a sample.
extension LoadConnection {
    /// Reads the frames of one read, counts the messages, and answers them all at once.
    func readFrames(_ start: UnsafeRawPointer, _ end: UnsafeRawPointer) {
        let worker = unsafe self.worker
        if !isPublisher { unsafe worker.tally.wireIn &+= unsafe end - start }
        let now = Clocks.now
        var next = unsafe start
        var messages = 0
        while unsafe next < end || isInPayload && left == 0 {
            if unsafe !isInPayload {
                if unsafe readWhole(&next, end) {
                    messages &+= 1
                    messageDone(worker, now)
                    continue
                }
                guard unsafe readHeader(&next, end) else { break }
            }
            let count = unsafe min(left, end - next)
            let piece = unsafe UnsafeRawBufferPointer(start: next, count: count)
            if unsafe firstByte & 0x08 != 0 {
                unsafe control.append(contentsOf: piece)
            } else if unsafe keepsContents {
                unsafe contents.append(contentsOf: piece)
            }
            unsafe next += count
            unsafe left &-= count
            if unsafe left > 0 { break }
            unsafe isInPayload = false
            if unsafe firstByte & 0x08 != 0 {
                guard receivedControl() else { return }
            } else if unsafe firstByte & FrameHeader.fin != 0 {
                if unsafe keepsContents { checkContents(worker) }
                unsafe messageByte = 0
                messages &+= 1
                messageDone(worker, now)
            }
        }
        if messages > 0, unsafe phase == .open { worker.received(messages, on: self) }
    }

    /// Passes over a data frame that is a message, is here whole, and whose contents nobody wants.
    @inline(__always)
    private func readWhole(_ next: inout UnsafeRawPointer, _ end: UnsafeRawPointer) -> Bool {
        let available = unsafe end - next
        guard available >= 4, unsafe messageByte == 0, unsafe partial.isEmpty else { return false }
        // Safety: four bytes are there.
        let first = unsafe next.load(as: UInt8.self)
        let second = unsafe next.load(fromByteOffset: 1, as: UInt8.self)
        let kind = first & ~FrameHeader.rsv1
        guard kind == 0x81 || kind == 0x82, second <= 126 else { return false }
        var size = Int(second) &+ 2
        if second == 126 {
            let length = unsafe next.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
            size = Int(UInt16(bigEndian: length)) &+ 4
        }
        let worker = unsafe self.worker
        guard size <= available, !worker.wantsContents(of: self) else { return false }
        if first & FrameHeader.rsv1 != 0, unsafe worker.agreement == nil { return false }
        unsafe next += size
        return true
    }

    /// Reads a header; false when it is not whole yet, or at fault.
    private func readHeader(_ next: inout UnsafeRawPointer, _ end: UnsafeRawPointer) -> Bool {
        while unsafe next < end {
            unsafe partial.append(unsafe next.load(as: UInt8.self))
            unsafe next += 1
            guard unsafe partial.count >= 2 else { continue }
            let length = unsafe partial[1] & FrameHeader.lengthBits
            let size = length == 127 ? 10 : length == 126 ? 4 : 2
            if unsafe partial.count < size { continue }
            unsafe left =
                unsafe size == 2 ? Int(length) : partial[2...].reduce(0) { $0 << 8 | Int($1) }
            unsafe firstByte = partial[0]
            let isMasked = unsafe partial[1] & FrameHeader.masked != 0
            unsafe partial.removeAll(keepingCapacity: true)
            if let fault = beginFrame(isMasked: isMasked) {
                fail(fault)
                return false
            }
            unsafe isInPayload = true
            return true
        }
        return false
    }

    /// What is wrong with a frame's header; `nil` when all is well.
    private func beginFrame(isMasked: Bool) -> String? {
        let worker = unsafe self.worker
        if isMasked { return "a masked frame from the server" }
        if unsafe left > 1 << 30 || left < 0 { return unsafe "a frame of \(left) bytes" }
        let opcode = unsafe firstByte & FrameHeader.opcodeBits
        let isCompressed = unsafe firstByte & FrameHeader.rsv1 != 0
        if isCompressed, unsafe worker.agreement == nil {
            return "a compressed frame, which was not agreed"
        }
        switch opcode {
        case 0:
            if unsafe messageByte == 0 { return "a continuation of nothing" }
        case 1, 2:
            if unsafe messageByte != 0 { return "a message within a message" }
            unsafe messageByte = firstByte
            unsafe contents.removeAll(keepingCapacity: true)
            unsafe keepsContents = worker.takeWantsContents(of: self)
        case 8, 9, 10:
            if unsafe left > FrameHeader.controlPayloadMax {
                return unsafe "a control frame of \(left) bytes"
            }
            unsafe control.removeAll(keepingCapacity: true)
        default: return "a frame with opcode \(opcode)"
        }
        return nil
    }

    /// False when the connection is over.
    private func receivedControl() -> Bool {
        switch unsafe firstByte & FrameHeader.opcodeBits {
        case Opcode.ping.rawValue: unsafe sendControl(.pong, control)
        case Opcode.close.rawValue:
            // In `closing` the server answers, and closes the TCP connection next.
            if unsafe phase == .open {
                let code =
                    unsafe control.count >= 2 ? Int(control[0]) << 8 | Int(control[1]) : 1_005
                fail("closed by the server with code \(code)")
                return false
            }
        default: break
        }
        return true
    }

    @inline(__always)
    private func messageDone(_ worker: LoadWorker, _ now: UInt64) {
        let pool = unsafe worker.pool!
        worker.count(on: self, pool, now)
        advanceReply(in: pool)
    }

    /// Compares the message with what was sent.
    private func checkContents(_ worker: LoadWorker) {
        let pool = unsafe worker.pool!
        var message: [UInt8]? = unsafe contents
        if unsafe messageByte & FrameHeader.rsv1 != 0 {
            message = unsafe worker.checker?.inflate(contents, limit: 1 << 30, after: context)
        }
        let isText = unsafe messageByte & FrameHeader.opcodeBits == Opcode.text.rawValue
        unsafe keepsContents = false
        guard let message else { return worker.note("a message that does not inflate") }
        let isExpected =
            unsafe worker.publishers > 1
            ? pool.messages.contains(message) : message == pool.messages[replyIndex]
        if isExpected, isText == pool.isText {
            unsafe worker.tally.verified &+= 1
        } else {
            let index = unsafe received
            worker.note(
                "message \(index) of connection \(number) is not what was sent: "
                    + "\(message.count) bytes came back")
        }
    }
}
