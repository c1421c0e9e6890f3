/// Where a ``Session`` delivers what it has read, in wire order.
///
/// Pointers are valid until the call returns. All calls are made from within
/// ``Session/receive(_:count:into:)``, but for those that are about a buffer's memory:
/// ``Session/readTarget(atMost:into:)`` and ``Session/discard(into:)`` make them too.
@usableFromInline
package protocol SessionSink: ~Copyable {
    /// A whole message; text has been checked to be UTF-8.
    mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind)
    /// A ping, to be answered with the same payload (RFC 6455 §5.5.2).
    mutating func ping(_ payload: UnsafeRawBufferPointer)
    /// A pong, asked for or not.
    mutating func pong(_ payload: UnsafeRawBufferPointer)

    /// Inflates a compressed message of at most `limit` bytes (RFC 7692 §7.2.2). Only called
    /// where permessage-deflate was agreed; the result is valid until the next call.
    mutating func inflate(_ payload: UnsafeRawBufferPointer, limit: Int) -> InflatedMessage

    /// Forgets a message that was ``InflatedMessage/unfinished``.
    mutating func discardInflation()

    /// False once the application has closed: what follows is parsed no further than to find
    /// the peer's Close frame.
    var wantsMessages: Bool { get }

    /// Makes `buffer` hold `capacity` bytes at least, keeping its contents; false when the
    /// budget of all partly received messages is spent. `expected` is the size announced for
    /// the message so far: a hint for choosing among memory that is there already, never a
    /// reason to allocate.
    mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int) -> Bool
    /// Takes a buffer's memory back.
    mutating func release(_ buffer: inout AssemblyBuffer)
}

extension SessionSink where Self: ~Copyable {
    /// For sinks of sessions without compression, which never ask.
    package mutating func inflate(
        _ payload: UnsafeRawBufferPointer, limit: Int
    ) -> InflatedMessage { unsafe .corrupt }

    package mutating func discardInflation() {}
}

/// What became of a compressed message.
@unsafe
@usableFromInline
package enum InflatedMessage {
    case message(UnsafeRawBufferPointer)
    /// It takes longer than others can wait: to be asked for again in a later turn, with the same
    /// payload.
    case unfinished
    /// It would have been longer than the limit; no more than that was produced.
    case tooBig
    /// It isn't a deflate stream.
    case corrupt
    /// The budget of all partly received messages is spent.
    case noMemory
}

/// Memory in which a message that spans reads or frames is put together.
@unsafe
@usableFromInline
package struct AssemblyBuffer {
    package var base: UnsafeMutableRawPointer?
    package var capacity = 0
    /// Bytes of the message so far.
    package var count = 0

    package init() {}
}
