import CHiredis

/// One reply of Redis, owned: hiredis made it, and it is freed with this value.
// Safety: `raw` is a whole reply of hiredis's reader, and no one else's; elements are its own.
@safe
struct RedisReply: ~Copyable {
    enum Kind: Sendable { case text, error, integer, null, array, other }

    private let raw: UnsafeMutablePointer<redisReply>

    init(owned raw: UnsafeMutableRawPointer) {
        unsafe self.raw = unsafe raw.assumingMemoryBound(to: redisReply.self)
    }

    deinit { unsafe freeReplyObject(raw) }

    var kind: Kind {
        switch unsafe raw.pointee.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: .text
        case REDIS_REPLY_ERROR: .error
        case REDIS_REPLY_INTEGER: .integer
        case REDIS_REPLY_NIL: .null
        case REDIS_REPLY_ARRAY: .array
        default: .other
        }
    }

    var integer: Int { unsafe Int(raw.pointee.integer) }

    /// Of a text or an error.
    var text: String { unsafe Self.text(raw) }

    /// Elements of an array, 0 of anything else.
    var count: Int { kind == .array ? unsafe raw.pointee.elements : 0 }

    /// An element's text; empty if it has none.
    func text(at index: Int) -> String {
        precondition(index < count)
        return unsafe Self.text(raw.pointee.element[index]!)
    }

    /// An element's bytes, valid during the call; none if it isn't text.
    func withBytes<Result>(at index: Int, _ body: (borrowing RawSpan) -> Result) -> Result {
        precondition(index < count)
        return unsafe body(RawSpan(_unsafeBytes: Self.bytes(raw.pointee.element[index]!)))
    }

    private static func bytes(
        _ reply: UnsafeMutablePointer<redisReply>
    ) -> UnsafeRawBufferPointer {
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS, REDIS_REPLY_ERROR:
            unsafe UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.len)
        default: unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    private static func text(_ reply: UnsafeMutablePointer<redisReply>) -> String {
        unsafe String(decoding: bytes(reply), as: UTF8.self)
    }
}

/// Why what came from a server is not Redis's protocol.
struct ProtocolFault: Error {
    let description: String
}

/// Bytes in, replies out: hiredis's reader.
// Safety: it owns the reader.
@safe
struct ReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        guard let reader = unsafe redisReaderCreate() else { preconditionFailure("out of memory") }
        unsafe self.reader = unsafe reader
    }

    deinit { unsafe redisReaderFree(reader) }

    /// Bytes that are no whole reply yet.
    var waitingCount: Int { unsafe reader.pointee.len - reader.pointee.pos }

    /// Takes bytes in; they are copied.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(ProtocolFault) {
        let code = unsafe redisReaderFeed(
            reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        guard code == REDIS_OK else { throw fault }
    }

    /// The next whole reply; `nil` when it has yet to arrive.
    func next() throws(ProtocolFault) -> RedisReply? {
        var reply: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(reader, &reply) == REDIS_OK else { throw fault }
        guard let reply = unsafe reply else { return nil }
        return unsafe RedisReply(owned: reply)
    }

    private var fault: ProtocolFault {
        let text = unsafe withUnsafeBytes(of: reader.pointee.errstr) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return ProtocolFault(description: text.isEmpty ? "not Redis's protocol" : text)
    }
}

/// A command as Redis reads it; arguments may hold any bytes.
func redisCommand(_ arguments: [[UInt8]]) -> [UInt8] {
    let joined = arguments.flatMap(\.self)
    return unsafe joined.withUnsafeBytes { bytes in
        var starts: [UnsafePointer<CChar>?] = unsafe []
        var place = 0
        for argument in arguments {
            // Safety: hiredis reads as many bytes as `sizes` says, which lie within `joined`.
            let base = unsafe bytes.baseAddress.map {
                unsafe ($0 + place).assumingMemoryBound(to: CChar.self)
            }
            unsafe starts.append(base)
            place += argument.count
        }
        let sizes = arguments.map(\.count)
        var command: UnsafeMutablePointer<CChar>?
        let count = unsafe redisFormatCommandArgv(
            &command, Int32(arguments.count), &starts, sizes)
        guard count >= 0, let command = unsafe command else { preconditionFailure("out of memory") }
        defer { unsafe redisFreeCommand(command) }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: command, count: Int(count)))
    }
}
