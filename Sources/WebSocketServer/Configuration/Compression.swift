/// Whether and how messages are compressed: permessage-deflate (RFC 7692).
public struct Compression: Sendable, Hashable {
    /// The library that deflates and inflates.
    public enum Engine: Sendable, Hashable {
        /// The faster one for ``Compression/level``: Intel's ISA-L at 1…3 where the build has it
        /// (the package trait `ISAL`, on by default), zlib otherwise.
        case automatic
        case zlib
    }

    /// Whether the messages that one side sends may refer to earlier ones of the connection.
    public enum ContextTakeover: Sendable, Hashable {
        /// Every message stands alone: a connection costs no memory.
        case off
        /// Publications refer to those before them, by frames that all subscribers with the same
        /// past share: next to no memory a connection, and the ratio of real takeover. What is
        /// sent to one connection alone stands alone.
        case shared
        /// For each connection the last bytes that it was sent are kept, within ``Compression/memoryMax``.
        case perConnection
    }

    /// Offer it, or agree to it. Default true.
    public var isEnabled = true
    public var engine = Engine.automatic
    /// 1 (fastest) … 9 (smallest), as zlib counts. Default 1. What is published is compressed once
    /// for the subscribers of several routes, at the highest of their levels.
    public var level = 1
    /// zlib's memory for a deflater, `1...9`: 2 to the power of that + 9 bytes. Default 5.
    public var memoryLevel = 5
    /// Payloads below this go out plain. Default 256 bytes, `0 ... 1 GiB`.
    public var threshold: ByteCount = .bytes(256)
    /// Base-2 logarithm of the window that the server deflates with, `9...15`. Default 12: 4 KiB.
    public var serverWindowBits = 12
    /// The same of the client's, `9...15`; it holds for clients that let us choose
    /// (RFC 7692 §7.1.2.2), and zlib, which most of them have, can't deflate at 8. Default 15: no
    /// wish.
    public var clientWindowBits = 15
    /// Of what this side sends. Default ``ContextTakeover/shared``.
    public var contextTakeover = ContextTakeover.shared
    /// Whether the messages that the peer sends may refer to earlier ones, for which up to 32 KiB a
    /// connection are kept, within ``memoryMax``. Default false.
    public var allowsPeerContextTakeover = false
    /// Bytes that the contexts of all connections may hold together; once they are spent, new
    /// connections agree on compression without context takeover. Default 64 MiB, `0 ... 64 GiB`.
    public var memoryMax: ByteCount = .mebibytes(64)
    /// Time without messages after which a connection's own context is given back; what the client
    /// still refers to can't be. Default 60 s, `1 s ... 1 d`.
    public var contextIdleTimeout: Duration = .seconds(60)

    public init() {}

    /// No compression.
    public static var off: Compression {
        var compression = Compression()
        compression.isEnabled = false
        return compression
    }
}
