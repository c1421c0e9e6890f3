/// Checks the replies of Redis. Replies and errors are the same however the bytes are split, a
/// written reply is read back unchanged, and memory stays within the limits.
enum RedisReplyTarget {
    static func test(_ input: FuzzInput) {
        var input = input
        let isTight = input.choice() & 1 != 0
        let limits =
            isTight
            ? ReplyReader.Limits(lineMax: 20, replyMax: 100, elementsMax: 8, depthMax: 2)
            : ReplyReader.Limits(replyMax: 1 << 20)
        let bytes = input.rest
        var random = input.generator
        let whole = read(bytes, [], limits)
        for cuts in [Array(bytes.indices), random.cuts(of: bytes.count)] {
            let cut = read(bytes, cuts, limits)
            require(cut.replies, equals: whole.replies, "cut at \(cuts)")
            require(cut.fault, equals: whole.fault, "cut at \(cuts)")
        }
        if let fault = whole.fault { checkText(fault.description, sizeMax: 300) }
        for reply in whole.replies {
            let written = write(reply)
            if case .error(let text) = reply { checkText(text.description, sizeMax: 203) }
            _ = reply.isFromReplica
            // Headers with leading zeros are written shorter, and simple strings longer.
            let again = read(written, [], ReplyReader.Limits(replyMax: 1 << 21))
            require(again.replies, equals: [reply], "written and read again")
        }
    }

    private static func read(
        _ bytes: [UInt8], _ cuts: [Int], _ limits: ReplyReader.Limits
    ) -> (replies: [RedisReply], fault: ProtocolFault?) {
        var reader = ReplyReader(limits: limits)
        var replies: [RedisReply] = []
        do throws(ProtocolFault) {
            for (start, end) in zip([0] + cuts, cuts + [bytes.count]) {
                bytes[start..<end].withUnsafeBytes { reader.feed($0) }
                while let reply = try reader.next() { replies.append(reply) }
            }
        } catch { return (replies, error) }
        return (replies, nil)
    }

    private static func write(_ reply: RedisReply) -> [UInt8] {
        switch reply {
        case .text(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + [0x0D, 0x0A]
        case .error(let text): [UInt8(ascii: "-")] + text.bytes + [0x0D, 0x0A]
        case .integer(let value): Array(":\(value)\r\n".utf8)
        case .null: Array("$-1\r\n".utf8)
        case .array(let elements): Array("*\(elements.count)\r\n".utf8) + elements.flatMap(write)
        }
    }

    private static func checkText(_ text: String, sizeMax: Int) {
        if text.utf8.count > sizeMax { fail("\(text.utf8.count) bytes of text") }
        if !text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { fail("not escaped: \(text)") }
    }
}
