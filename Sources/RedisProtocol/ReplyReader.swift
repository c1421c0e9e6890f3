/// An incremental parser of the Redis protocol (RESP2).
///
/// Whatever the server sends, the parser keeps at most one reply within ``Limits`` and the bytes of
/// one read. It allocates nothing for an announced size or count, and scans no byte twice, however
/// the bytes are split.
package struct ReplyReader {
    package struct Limits {
        /// The most bytes of a line: of a header, a simple string or an error.
        package var lineMax: Int
        /// The most bytes of a reply with its headers.
        package var replyMax: Int
        /// The most elements of a reply, including those of nested arrays.
        package var elementsMax: Int
        /// The deepest nesting of arrays.
        package var depthMax: Int

        package init(
            lineMax: Int = 4_096, replyMax: Int, elementsMax: Int = 1_024, depthMax: Int = 8
        ) {
            self.lineMax = lineMax
            self.replyMax = replyMax
            self.elementsMax = elementsMax
            self.depthMax = depthMax
        }
    }

    /// The kind of a line, with its text, if any.
    private enum Token {
        case value(RedisReply)
        case array(count: Int)
    }

    /// An array with missing elements.
    private struct PartialArray {
        var elements: [RedisReply] = []
        var missingCount: Int
    }

    /// The capacity that an empty buffer keeps.
    private static let idleCapacity = 64 << 10

    private let limits: Limits
    private var buffer: [UInt8] = []
    /// The index of the first byte that isn't part of a token yet.
    private var position = 0
    /// The number of bytes from there on that contain no line end.
    private var scannedCount = 0
    /// The size of a bulk string whose header has been read.
    private var awaitedSize: Int?
    /// The arrays around the next token, the outermost first.
    private var arrays: [PartialArray] = []
    /// The bytes and elements of the current reply.
    private var replySize = 0
    private var elementCount = 0

    package init(limits: Limits) { self.limits = limits }

    /// Appends bytes, which are copied. Call ``next()`` until it returns `nil` before the next
    /// call.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        // Safety: the bytes are valid while they are copied.
        unsafe buffer.append(contentsOf: bytes)
    }

    /// Returns the next complete reply, or `nil` if more bytes are needed. After an error, the
    /// reader can't be used again.
    package mutating func next() throws(ProtocolFault) -> RedisReply? {
        while let token = try nextToken() {
            switch token {
            case .array(let count) where count > 0:
                guard arrays.count < limits.depthMax else {
                    throw ProtocolFault("more than \(limits.depthMax) arrays within each other")
                }
                arrays.append(PartialArray(missingCount: count))
            case .array: if let reply = add(.array([])) { return reply }
            case .value(let value): if let reply = add(value) { return reply }
            }
        }
        dropReadBytes()
        return nil
    }

    /// Drops the bytes that were read. The remaining bytes are an incomplete line or bulk string;
    /// they are moved only once.
    private mutating func dropReadBytes() {
        if position == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= Self.idleCapacity)
        } else {
            buffer.removeFirst(position)
        }
        position = 0
    }

    /// Adds a value to the innermost array. Returns the reply if this completes it.
    private mutating func add(_ value: RedisReply) -> RedisReply? {
        var value = value
        while var array = arrays.popLast() {
            array.elements.append(value)
            array.missingCount -= 1
            if array.missingCount > 0 {
                arrays.append(array)
                return nil
            }
            value = .array(array.elements)
        }
        replySize = 0
        elementCount = 0
        return value
    }

    private mutating func nextToken() throws(ProtocolFault) -> Token? {
        if let size = awaitedSize { return try text(size).map(Token.value) }
        guard position < buffer.count else { return nil }
        let type = buffer[position]
        guard "+-:$*".utf8.contains(type) else {
            throw ProtocolFault("a reply of type '\(RedisText([type]))'")
        }
        guard let line = try nextLine() else { return nil }
        switch type {
        case UInt8(ascii: "+"): return .value(.text(Array(line)))
        case UInt8(ascii: "-"): return .value(.error(RedisText(line)))
        case UInt8(ascii: ":"): return .value(.integer(try Self.integer(line)))
        case UInt8(ascii: "$"):
            guard let size = try Self.announced(line) else { return .value(.null) }
            guard size <= limits.replyMax - replySize else { throw replyTooLarge }
            awaitedSize = size
            return try text(size).map(Token.value)
        default:
            guard let count = try Self.announced(line) else { return .value(.null) }
            guard count <= limits.elementsMax - elementCount else {
                throw ProtocolFault("a reply of more than \(limits.elementsMax) elements")
            }
            elementCount += count
            return .array(count: count)
        }
    }

    /// Returns the size or count in a header; `nil` for -1, which means null.
    private static func announced(_ line: ArraySlice<UInt8>) throws(ProtocolFault) -> Int? {
        let value = try integer(line)
        guard value >= -1 else { throw ProtocolFault("a size of \(value)") }
        return value == -1 ? nil : value
    }

    private var replyTooLarge: ProtocolFault {
        ProtocolFault("a reply of more than \(limits.replyMax) bytes")
    }

    /// Takes a bulk string and its line end. Returns `nil` until both have arrived.
    private mutating func text(_ size: Int) throws(ProtocolFault) -> RedisReply? {
        let end = position + size
        guard buffer.count >= end + 2 else { return nil }
        guard buffer[end] == 0x0D, buffer[end + 1] == 0x0A else {
            throw ProtocolFault("a text that is longer than announced")
        }
        let bytes = Array(buffer[position..<end])
        position = end + 2
        awaitedSize = nil
        try count(size + 2)
        return .text(bytes)
    }

    /// Takes a line, and returns it without its type and end. Returns `nil` until it is complete.
    private mutating func nextLine() throws(ProtocolFault) -> ArraySlice<UInt8>? {
        let end = buffer[(position + scannedCount)...].firstIndex { $0 == 0x0D || $0 == 0x0A }
        scannedCount = (end ?? buffer.count) - position
        guard scannedCount <= limits.lineMax else {
            throw ProtocolFault("a line of more than \(limits.lineMax) bytes")
        }
        guard let end else { return nil }
        guard buffer[end] == 0x0D else { throw ProtocolFault("a line feed within a line") }
        guard end + 1 < buffer.count else { return nil }
        guard buffer[end + 1] == 0x0A else {
            throw ProtocolFault("a carriage return within a line")
        }
        let line = buffer[position + 1..<end]
        try count(end + 2 - position)
        position = end + 2
        scannedCount = 0
        return line
    }

    private mutating func count(_ size: Int) throws(ProtocolFault) {
        replySize += size
        if replySize > limits.replyMax { throw replyTooLarge }
    }

    private static func integer(_ digits: ArraySlice<UInt8>) throws(ProtocolFault) -> Int {
        guard !digits.isEmpty, digits.count <= 20,
            digits.allSatisfy({ (0x30...0x39).contains($0) || "+-".utf8.contains($0) }),
            let value = Int(String(decoding: digits, as: UTF8.self))
        else {
            throw ProtocolFault("'\(RedisText(digits.prefix(32)))' instead of a 64-bit number")
        }
        return value
    }
}

/// The error for an invalid reply; it completes the sentence "Redis sent …".
package struct ProtocolFault: Error, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }
}
