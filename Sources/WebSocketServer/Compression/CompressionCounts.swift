/// The counters of permessage-deflate, in both directions.
public struct CompressionCounts: Sendable, Equatable {
    /// The number of connections that negotiated compression.
    public internal(set) var agreed = 0
    /// The number of them that got no context because ``Compression/memoryMax`` was used up.
    public internal(set) var contextsRefused = 0
    /// The number of current contexts, each of one direction of a connection.
    public internal(set) var contexts = 0
    /// The current memory of these contexts, in bytes.
    public internal(set) var contextBytes = 0
    /// The bytes of ``Compression/memoryMax`` that are reserved: the most that the current contexts
    /// can grow to.
    public internal(set) var contextBytesReserved = 0
    /// The number of current contexts that subscribers share.
    public internal(set) var sharedContexts = 0
    /// The current memory of the shared contexts, in bytes.
    public internal(set) var sharedContextBytes = 0
    /// The current memory of the event loops' deflaters, inflaters and buffers, in bytes.
    public internal(set) var codecBytes = 0

    /// The number of compressed messages. A publication counts once for each of its encodings,
    /// however many connections receive it.
    public internal(set) var messagesDeflated: UInt64 = 0
    /// The bytes of their payloads before compression.
    public internal(set) var bytesBeforeDeflate: UInt64 = 0
    /// The bytes of their payloads after compression.
    public internal(set) var bytesAfterDeflate: UInt64 = 0
    /// The number of messages that were sent uncompressed because compression didn't make them
    /// smaller.
    public internal(set) var messagesSentIncompressible: UInt64 = 0

    /// The number of compressed messages that were received.
    public internal(set) var messagesInflated: UInt64 = 0
    /// The bytes of their payloads before decompression.
    public internal(set) var bytesBeforeInflate: UInt64 = 0
    /// The bytes of their payloads after decompression.
    public internal(set) var bytesAfterInflate: UInt64 = 0

    /// The time spent compressing and decompressing, in nanoseconds.
    public internal(set) var codecNanoseconds: UInt64 = 0

    init() {}

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
