/// The compression of messages: permessage-deflate (RFC 7692).
public struct Compression: Sendable, Hashable {
    /// The library that compresses and decompresses.
    public enum Engine: Sendable, Hashable {
        /// The faster library for ``Compression/level``: Intel's ISA-L at levels 1 to 3, if the
        /// build includes it (the package trait `ISAL`, on by default), otherwise zlib.
        case automatic
        /// zlib at all levels, for both directions.
        case zlib
    }

    /// The choice whether messages may refer to earlier messages of the same connection.
    public enum ContextTakeover: Sendable, Hashable {
        /// Every message is compressed on its own. A connection takes no memory.
        case off
        /// A publication refers to earlier publications, and all subscribers that received those
        /// share one compressed frame: the ratio of real context takeover, with nearly no memory
        /// per connection. Messages to a single connection are compressed on their own.
        case shared
        /// The last bytes sent are kept for each connection, within ``Compression/memoryMax``: up
        /// to a window and an eighth, which is 4.5 KiB with 12 window bits.
        case perConnection
    }

    /// Whether compression is offered (client) or accepted (server). Default true.
    public var isEnabled = true
    /// The compression library. Default ``Engine/automatic``.
    public var engine = Engine.automatic
    /// The level, as in zlib: 1 is the fastest, 9 makes the smallest messages. A publication to
    /// subscribers on several routes is compressed once, at the highest of their levels. Default 1,
    /// `1...9`.
    public var level = 1
    /// zlib's `memLevel` for compression, `1...9`: a deflater takes 2^(level + 9) bytes. Default 5.
    public var memoryLevel = 5
    /// The payload size below which messages are sent uncompressed. Default 256 bytes,
    /// `0 ... 1 GiB`.
    public var threshold: ByteCount = .bytes(256)
    /// The window with which the server compresses, as a power of two, `9...15`. Default 12: 4 KiB.
    public var serverWindowBits = 12
    /// The window with which clients compress that let the server choose (RFC 7692 §7.1.2.2), as a
    /// power of two, `9...15`. 8 is left out: zlib, which most clients use, can't compress with it.
    /// Default 15: no restriction.
    public var clientWindowBits = 15
    /// The context takeover of messages that this side sends. Default ``ContextTakeover/shared``.
    public var contextTakeover = ContextTakeover.shared
    /// Whether the peer's messages may refer to its earlier ones. That takes up to 36 KiB for each
    /// connection, within ``memoryMax``. Default false.
    public var allowsPeerContextTakeover = false
    /// The memory of the contexts of all connections together. When it is used up, new connections
    /// negotiate compression without context takeover. Default 64 MiB, `0 ... 64 GiB`.
    public var memoryMax: ByteCount = .mebibytes(64)
    /// The time without messages after which the context for sent messages is freed. The context
    /// for received messages can't be freed. Default 60 s, `1 s ... 1 d`.
    public var contextIdleTimeout: Duration = .seconds(60)

    /// Creates the default settings, with compression turned on.
    public init() {}

    /// A value with compression turned off.
    public static var off: Compression {
        var compression = Compression()
        compression.isEnabled = false
        return compression
    }
}
