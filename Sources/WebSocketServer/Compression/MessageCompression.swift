import PubSub
import WebSocketProtocol

/// The negotiated permessage-deflate of a connection, with its contexts. All connections of a loop
/// that have no contexts and the same parameters share one object.
final class MessageCompression {
    /// The bytes reserved for the connection's contexts.
    struct Reserve {
        var sending = 0
        var receiving = 0
        var isNone: Bool { sending == 0 && receiving == 0 }
        var total: Int { sending + receiving }
    }

    /// The payload size below which messages are sent uncompressed, in bytes.
    let threshold: Int
    /// The level, which also applies to publications.
    let level: Int
    private let codecs: LoopCodecs
    /// The parameters for sending; `nil` if nothing can be compressed under the negotiated ones, so
    /// that every message is sent uncompressed.
    private let deflater: LoopCodecs.SharedDeflater?
    private let inflater: LoopCodecs.SharedInflater
    let sendWindowBits: Int
    private let isShared: Bool
    /// The compression of publications for this connection.
    let topicMode: EncodingMode
    private var reserve: Reserve
    private var sent: Context?
    private var received: Context?

    /// A box for a history: an optional of a noncopyable type can't be borrowed.
    private final class Context {
        var history: DeflateHistory

        init(windowBits: Int) { history = DeflateHistory(windowBits: windowBits) }
    }

    init(
        _ parameters: DeflateParameters, role: Session.Role, compression: Compression,
        codecs: LoopCodecs, reserve: Reserve
    ) {
        threshold = compression.threshold.bytes
        level = compression.level
        self.codecs = codecs
        self.reserve = reserve
        isShared = reserve.isNone
        let bits = parameters.deflateWindowBits(as: role, atMost: compression.windowBits(of: role))
        sendWindowBits = bits ?? 0
        deflater = bits.map { codecs.deflater(compression, windowBits: $0) }
        inflater = codecs.inflater(compression.inflateEngine)
        topicMode =
            switch compression.contextTakeover {
            case _ where bits == nil: .plain
            case .perConnection where reserve.sending > 0: .ownContext
            // Shared contexts have the server's own window, so the peer's must be as large. The
            // route's window is for messages to single connections.
            case .shared
            where parameters.deflateWindowBits(as: role)! >= codecs.publicationWindowBits
                && parameters.deflateMayKeepContext(as: role):
                .shared
            case .shared, .perConnection, .off: .standalone
            }
        if reserve.sending > 0, let bits { sent = Context(windowBits: bits) }
        if reserve.receiving > 0 {
            received = Context(windowBits: parameters.inflateWindowBits(as: role))
        }
        codecs.counts.contexts += contextCount
    }

    private var contextCount: Int { (sent == nil ? 0 : 1) + (received == nil ? 0 : 1) }

    /// Compresses a payload. Returns bytes that are valid until the next call, or `nil` if the
    /// payload is to be sent uncompressed.
    func deflate(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let deflater else { return nil }
        if !isShared { resumeSending() }
        let history = unsafe sent?.history.bytes ?? Self.noHistory
        let deflated = unsafe codecs.deflate(payload, by: deflater, after: history)
        if let sent, unsafe deflated != nil { unsafe keep(payload, in: sent) }
        return unsafe deflated
    }

    /// - Parameter paused: The state after the message's earlier slices.
    func inflate(
        _ payload: UnsafeRawBufferPointer, limit: Int, resuming paused: Inflation?,
        assemblies: inout AssemblyPool
    ) -> InflatedMessage {
        let history = unsafe received?.history.bytes ?? Self.noHistory
        let message = unsafe codecs.inflate(
            payload, by: inflater, after: history, limit: limit, resuming: paused,
            assemblies: &assemblies)
        if let received, case .message(let bytes) = unsafe message {
            unsafe keep(bytes, in: received)
        }
        return unsafe message
    }

    private static var noHistory: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    }

    // MARK: - Memory

    private func keep(_ plain: UnsafeRawBufferPointer, in context: Context) {
        let before = context.history.memorySize
        unsafe context.history.append(plain)
        codecs.counts.contextBytes += context.history.memorySize - before
    }

    /// Counts a context that is about to be freed.
    private func discount(_ context: Context) {
        codecs.counts.contexts -= 1
        codecs.counts.contextBytes -= context.history.memorySize
    }

    /// Frees the context for sending: the next message is compressed on its own, which needs no
    /// negotiation. The context for receiving must be kept, because the peer may refer to it.
    func releaseSendContext() {
        guard let context = sent else { return }
        discount(context)
        sent = nil
        codecs.giveMemory(reserve.sending)
    }

    /// Begins a new context after ``releaseSendContext()``, if the budget allows.
    private func resumeSending() {
        guard sent == nil, reserve.sending > 0, codecs.takeMemory(reserve.sending) else { return }
        sent = Context(windowBits: sendWindowBits)
        codecs.counts.contexts += 1
    }

    /// Whether there is a context that ``releaseSendContext()`` would free.
    var hasSendContext: Bool { sent != nil }

    /// Frees everything, when the connection is closed.
    func end() {
        guard !isShared else { return }
        releaseSendContext()
        if let context = received { discount(context) }
        received = nil
        codecs.giveMemory(reserve.receiving)
        reserve = Reserve()
    }
}

extension Compression {
    /// Returns the most window bits with which `role` compresses.
    func windowBits(of role: Session.Role) -> Int {
        role == .server ? serverWindowBits : max(clientWindowBits, 9)
    }
}
