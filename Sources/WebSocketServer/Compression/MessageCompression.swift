import PubSub
import WebSocketProtocol

/// permessage-deflate as agreed on for a connection, with its contexts if it has any; one without
/// is shared by all connections of a loop with the same agreement, so that it costs them nothing.
final class MessageCompression {
    /// Bytes of the budget that a connection's contexts may use.
    struct Reserve {
        var sending = 0
        var receiving = 0
        var isNone: Bool { sending == 0 && receiving == 0 }
        var total: Int { sending + receiving }
    }

    /// Payloads below this go out plain; bytes.
    let threshold: Int
    /// Of what several are sent, too.
    let level: Int
    private let codecs: LoopCodecs
    /// `nil` if the peer's terms are ones that can't be deflated to: everything goes out plain.
    private let deflater: LoopCodecs.SharedDeflater?
    private let inflater: LoopCodecs.SharedInflater
    let sendWindowBits: Int
    private let isShared: Bool
    /// How what is published to topics is compressed for the connection.
    let topicMode: EncodingMode
    private var reserve: Reserve
    private var sent: Context?
    private var received: Context?

    /// A history where an optional can hold it: one of a noncopyable type can't be looked into.
    private final class Context {
        @exclusivity(unchecked) var history: DeflateHistory

        init(windowBits: Int) { unsafe history = DeflateHistory(windowBits: windowBits) }
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
            // Contexts that all share are as long as the window that the server has by itself,
            // which the peer's must be, too; what the route has is for its own messages.
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
        unsafe codecs.counts.contexts += contextCount
    }

    private var contextCount: Int { (sent == nil ? 0 : 1) + (received == nil ? 0 : 1) }

    /// The payload to send compressed, valid until the next call; `nil`: send it plain.
    func deflate(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let deflater else { return nil }
        if !isShared { resumeSending() }
        let history = unsafe sent?.history.bytes ?? Self.noHistory
        let deflated = unsafe codecs.deflate(payload, by: deflater, after: history)
        if let sent, unsafe deflated != nil { unsafe keep(payload, in: sent) }
        return unsafe deflated
    }

    /// - Parameter paused: The message's earlier slices.
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
        let before = unsafe context.history.memorySize
        unsafe context.history.append(plain)
        unsafe codecs.counts.contextBytes += context.history.memorySize - before
    }

    /// A context is about to go.
    private func discount(_ context: Context) {
        unsafe codecs.counts.contexts -= 1
        unsafe codecs.counts.contextBytes -= context.history.memorySize
    }

    /// Forgets what was sent, and gives its memory back: the next message stands alone, which
    /// needs no agreement. What the peer may refer to must be kept.
    func rest() {
        guard let context = sent else { return }
        discount(context)
        sent = nil
        codecs.giveMemory(reserve.sending)
    }

    /// Begins a context anew after ``rest()``, if the budget allows.
    private func resumeSending() {
        guard sent == nil, reserve.sending > 0, codecs.takeMemory(reserve.sending) else { return }
        sent = Context(windowBits: sendWindowBits)
        unsafe codecs.counts.contexts += 1
    }

    /// Whether there is something that ``rest()`` would give back.
    var canRest: Bool { sent != nil }

    /// Gives everything back, when the connection is over.
    func end() {
        guard !isShared else { return }
        rest()
        if let context = received { discount(context) }
        received = nil
        codecs.giveMemory(reserve.receiving)
        reserve = Reserve()
    }
}

extension Compression {
    /// The most window bits that `role` deflates with.
    func windowBits(of role: Session.Role) -> Int {
        role == .server ? serverWindowBits : max(clientWindowBits, 9)
    }
}
