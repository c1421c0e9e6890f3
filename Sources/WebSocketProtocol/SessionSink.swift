/// The receiver of a ``Session``'s messages and control frames, in the order of the wire.
///
/// Pointers are valid until the call returns. All calls are made by
/// ``Session/receive(_:count:into:)``. Those that concern the memory of a buffer are also made by
/// ``Session/readTarget(atMost:into:)`` and ``Session/discard(into:)``.
@usableFromInline
package protocol SessionSink: ~Copyable {
    /// Receives a complete message. Text has been validated as UTF-8.
    mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind)
    /// Receives a ping, which must be answered with the same payload (RFC 6455 §5.5.2).
    mutating func ping(_ payload: UnsafeRawBufferPointer)
    /// Receives a pong, whether or not it answers a ping.
    mutating func pong(_ payload: UnsafeRawBufferPointer)

    /// Decompresses a message of at most `limit` bytes (RFC 7692 §7.2.2). Only called if
    /// permessage-deflate was negotiated. The result is valid until the next call.
    mutating func inflate(_ payload: UnsafeRawBufferPointer, limit: Int) -> InflatedMessage

    /// Discards a message that was ``InflatedMessage/unfinished``.
    mutating func discardInflation()

    /// Whether messages are still wanted: false once the application has closed the connection.
    /// Later bytes are only searched for the peer's Close frame.
    var wantsMessages: Bool { get }

    /// Makes `buffer` hold at least `capacity` bytes and keeps its contents. Returns false if the
    /// budget of all partly received messages is spent. `expected` is the announced size of the
    /// message so far: a hint for choosing among existing buffers, never a reason to allocate.
    mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int) -> Bool
    /// Frees the memory of a buffer.
    mutating func release(_ buffer: inout AssemblyBuffer)
}

extension SessionSink where Self: ~Copyable {
    /// Is never called: the default for sinks of sessions without compression.
    package mutating func inflate(
        _ payload: UnsafeRawBufferPointer, limit: Int
    ) -> InflatedMessage { unsafe .corrupt }

    package mutating func discardInflation() {}
}

/// The outcome of decompressing a message.
@unsafe
@usableFromInline
package enum InflatedMessage {
    case message(UnsafeRawBufferPointer)
    /// It takes longer than a share of a turn: call again in a later turn, with the same payload.
    case unfinished
    /// It is longer than the limit. No more than the limit was decompressed.
    case tooBig
    /// It isn't a valid deflate stream.
    case corrupt
    /// The budget of all partly received messages is spent.
    case noMemory
}

/// The memory in which a message that spans reads or frames is assembled.
@unsafe
@usableFromInline
package struct AssemblyBuffer {
    package var base: UnsafeMutableRawPointer?
    package var capacity = 0
    /// The number of bytes of the message so far.
    package var count = 0

    package init() {}
}
