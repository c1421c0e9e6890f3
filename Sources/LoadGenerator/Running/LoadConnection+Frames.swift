import WebSocketProtocol

/// The parser of a ``LoadConnection``: headers, and the contents of a sample.
extension LoadConnection {
    /// Parses the bytes of one read, counts the messages, and answers all of them together.
    func readFrames(_ start: UnsafeRawPointer, _ end: UnsafeRawPointer) {
        let worker = unsafe self.worker
        if !isPublisher { unsafe worker.tally.wireIn &+= end - start }
        let now = Clocks.now
        var next = unsafe start
        var messages = 0
        while unsafe next < end || isInPayload && left == 0 {
            if !isInPayload {
                // Whole messages whose contents are not checked are passed over together.
                let passed = unsafe passMessages(
                    &next, end, atMost: worker.messagesUnseen(on: self, after: messages))
                messages &+= passed
                if passed > 0 { continue }
                guard unsafe readHeader(&next, end, after: messages) else { break }
            }
            let count = unsafe min(left, end - next)
            let piece = unsafe UnsafeRawBufferPointer(start: next, count: count)
            if firstByte & 0x08 != 0 {
                unsafe control.append(contentsOf: piece)
            } else if keepsContents {
                unsafe contents.append(contentsOf: piece)
            }
            unsafe next += count
            left &-= count
            if left > 0 { break }
            isInPayload = false
            if firstByte & 0x08 != 0 {
                guard receivedControl() else { return }
            } else if firstByte & FrameHeader.fin != 0 {
                if keepsContents { checkContents(worker, after: messages) }
                messageByte = 0
                messages &+= 1
            }
        }
        if messages > 0, phase == .open, let pool = worker.pool {
            worker.count(messages, on: self, now)
            advance(by: messages, in: pool)
            worker.answer(messages, on: self, now)
        }
    }

    /// Passes over whole messages in unfragmented data frames whose contents are not checked.
    /// Returns their number.
    @inline(__always)
    private func passMessages(
        _ place: inout UnsafeRawPointer, _ end: UnsafeRawPointer, atMost limit: Int
    ) -> Int {
        guard messageByte == 0, partial.isEmpty else { return 0 }
        let kindBits: UInt8 = unsafe worker.isCompressed ? ~FrameHeader.rsv1 : 0xFF
        var next = unsafe place
        var passed = 0
        while passed < limit, unsafe end - next >= 4 {
            // Safety: four bytes are there.
            let kind = unsafe next.load(as: UInt8.self) & kindBits
            let second = unsafe next.load(fromByteOffset: 1, as: UInt8.self)
            guard kind == 0x81 || kind == 0x82, second <= 126 else { break }
            var size = Int(second) &+ 2
            if second == 126 {
                let length = unsafe next.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
                size = Int(UInt16(bigEndian: length)) &+ 4
            }
            guard unsafe size <= end - next else { break }
            unsafe next += size
            passed &+= 1
        }
        unsafe place = next
        return passed
    }

    /// Parses a header. Returns false if it is incomplete or invalid.
    private func readHeader(
        _ next: inout UnsafeRawPointer, _ end: UnsafeRawPointer, after messages: Int
    ) -> Bool {
        while unsafe next < end {
            partial.append(unsafe next.load(as: UInt8.self))
            unsafe next += 1
            guard partial.count >= 2 else { continue }
            let length = partial[1] & FrameHeader.lengthBits
            let size = length == 127 ? 10 : length == 126 ? 4 : 2
            if partial.count < size { continue }
            left =
                size == 2 ? Int(length) : partial[2...].reduce(0) { $0 << 8 | Int($1) }
            firstByte = partial[0]
            let isMasked = partial[1] & FrameHeader.masked != 0
            partial.removeAll(keepingCapacity: true)
            if let fault = beginFrame(isMasked: isMasked, after: messages) {
                fail(fault)
                return false
            }
            isInPayload = true
            return true
        }
        return false
    }

    /// Begins a frame. Returns the error in its header; `nil` if it is valid.
    private func beginFrame(isMasked: Bool, after messages: Int) -> String? {
        let worker = unsafe self.worker
        if isMasked { return "a masked frame from the server" }
        if left > 1 << 30 || left < 0 { return "a frame of \(left) bytes" }
        let opcode = firstByte & FrameHeader.opcodeBits
        let isCompressed = firstByte & FrameHeader.rsv1 != 0
        if isCompressed, !worker.isCompressed {
            return "a compressed frame, which was not agreed"
        }
        switch opcode {
        case 0:
            if messageByte == 0 { return "a continuation of nothing" }
        case 1, 2:
            if messageByte != 0 { return "a message within a message" }
            messageByte = firstByte
            contents.removeAll(keepingCapacity: true)
            keepsContents = worker.takeWantsContents(of: self, after: messages)
        case 8, 9, 10:
            if left > FrameHeader.controlPayloadMax {
                return "a control frame of \(left) bytes"
            }
            control.removeAll(keepingCapacity: true)
        default: return "a frame with opcode \(opcode)"
        }
        return nil
    }

    /// Handles a control frame. Returns false if the connection is over.
    private func receivedControl() -> Bool {
        switch firstByte & FrameHeader.opcodeBits {
        case Opcode.ping.rawValue: sendControl(.pong, control)
        case Opcode.close.rawValue:
            // In `closing`, this is the server's answer; the server closes the TCP connection next.
            if phase == .open {
                let code =
                    control.count >= 2 ? Int(control[0]) << 8 | Int(control[1]) : 1_005
                fail("closed by the server with code \(code)")
                return false
            }
        default: break
        }
        return true
    }

    /// Compares the message with the sent one.
    private func checkContents(_ worker: LoadWorker, after messages: Int) {
        let pool = worker.pool!
        var message: [UInt8]? = contents
        if messageByte & FrameHeader.rsv1 != 0 {
            message = worker.checker?.inflate(contents, limit: 1 << 30, after: context)
        }
        let index = pool.index(replyIndex, after: messages)
        let isText = messageByte & FrameHeader.opcodeBits == Opcode.text.rawValue
        keepsContents = false
        guard let message else { return worker.noteMismatch("a message that does not inflate") }
        let prefix = worker.plan.replyPrefix
        let sent = message.dropFirst(prefix.count)
        let isExpected =
            worker.publishers > 1
            ? pool.messages.contains { sent.elementsEqual($0) }
            : sent.elementsEqual(pool.messages[index])
        if isExpected, message.starts(with: prefix), isText == pool.isText {
            worker.tally.verified &+= 1
        } else {
            let number = received + messages
            worker.noteMismatch(
                "message \(number) of connection \(self.number) is not what was sent: "
                    + "\(message.count) bytes came back")
        }
    }
}
