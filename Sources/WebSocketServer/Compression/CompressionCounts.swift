/// What permessage-deflate did, both ways.
public struct CompressionCounts: Sendable, Equatable {
    /// Connections that agreed on it; those that would have had a context of their own but for
    /// ``Compression/memoryMax``.
    public var agreed = 0
    public var contextsRefused = 0
    /// Contexts alive now, each of one direction of a connection, and the bytes that they hold.
    public var contexts = 0
    public var contextBytes = 0
    /// Bytes taken of ``Compression/memoryMax``: what those contexts may come to.
    public var contextBytesReserved = 0
    /// Contexts alive now that subscribers share, and the bytes that they hold.
    public var sharedContexts = 0
    public var sharedContextBytes = 0
    /// Bytes that the loops' deflaters, inflaters and their buffers hold now, for all connections.
    public var codecBytes = 0

    /// Messages compressed to be sent, and the bytes of their payloads before and after. A
    /// publication counts once for each of its encodings, however many connections get it.
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
        contextBytes += other.contextBytes
        contextBytesReserved += other.contextBytesReserved
        sharedContexts += other.sharedContexts
        sharedContextBytes += other.sharedContextBytes
        codecBytes += other.codecBytes
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
