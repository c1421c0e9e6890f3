/// What permessage-deflate did, both ways.
public struct CompressionCounts: Sendable, Equatable {
    /// Connections that agreed on it; those that would have had a context of their own but for
    /// ``Compression/memoryMax``.
    public var agreed = 0
    public var contextsRefused = 0
    /// Contexts alive now, each of one direction of a connection.
    public var contexts = 0

    /// Messages sent compressed, and the bytes of their payloads before and after.
    public var messagesDeflated: UInt64 = 0
    public var bytesBeforeDeflate: UInt64 = 0
    public var bytesAfterDeflate: UInt64 = 0
    /// Messages that were tried and sent plain, as they would not have shrunk.
    public var messagesSentIncompressible: UInt64 = 0

    /// Messages received compressed, and the bytes of their payloads before and after.
    public var messagesInflated: UInt64 = 0
    public var bytesBeforeInflate: UInt64 = 0
    public var bytesAfterInflate: UInt64 = 0

    /// Time spent deflating and inflating.
    public var codecNanoseconds: UInt64 = 0

    public init() {}

    mutating func add(_ other: CompressionCounts) {
        agreed += other.agreed
        contextsRefused += other.contextsRefused
        contexts += other.contexts
        messagesDeflated += other.messagesDeflated
        bytesBeforeDeflate += other.bytesBeforeDeflate
        bytesAfterDeflate += other.bytesAfterDeflate
        messagesSentIncompressible += other.messagesSentIncompressible
        messagesInflated += other.messagesInflated
        bytesBeforeInflate += other.bytesBeforeInflate
        bytesAfterInflate += other.bytesAfterInflate
        codecNanoseconds += other.codecNanoseconds
    }
}
