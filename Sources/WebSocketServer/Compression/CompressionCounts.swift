/// The counters of permessage-deflate, in both directions.
public struct CompressionCounts: Sendable, Equatable {
    /// The connections that negotiated compression, and those of them that got no context takeover
    /// because ``Compression/memoryMax`` was spent.
    public var agreed = 0
    public var contextsRefused = 0
    /// The current contexts, each of one direction of a connection, and their memory in bytes.
    public var contexts = 0
    public var contextBytes = 0
    /// The bytes of ``Compression/memoryMax`` that are reserved: the most that the current contexts
    /// can grow to.
    public var contextBytesReserved = 0
    /// The current contexts that subscribers share, and their memory in bytes.
    public var sharedContexts = 0
    public var sharedContextBytes = 0
    /// The current memory of the event loops' deflaters, inflaters and buffers, in bytes.
    public var codecBytes = 0

    /// The messages compressed, and the bytes of their payloads before and after. A publication
    /// counts once for each of its encodings, however many connections receive it.
    public var messagesDeflated: UInt64 = 0
    public var bytesBeforeDeflate: UInt64 = 0
    public var bytesAfterDeflate: UInt64 = 0
    /// The messages that were sent uncompressed because compression didn't make them smaller.
    public var messagesSentIncompressible: UInt64 = 0

    /// The compressed messages received, and the bytes of their payloads before and after
    /// decompression.
    public var messagesInflated: UInt64 = 0
    public var bytesBeforeInflate: UInt64 = 0
    public var bytesAfterInflate: UInt64 = 0

    /// The time spent compressing and decompressing.
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
