import Glibc
import WebSocketProtocol

/// One loop's deflaters and inflaters, which all its connections share, and their buffers.
///
/// For that loop's thread. A connection's own part is its ``MessageCompression``.
// Safety: the buffers are allocated and freed here alone, and lent for one call of a handler.
@safe
final class LoopCodecs {
    /// A deflater for each kind of agreement, made when first needed.
    final class SharedDeflater {
        @exclusivity(unchecked) fileprivate var deflater: Deflater

        fileprivate init(_ compression: Compression, windowBits: Int) {
            unsafe deflater = Deflater(
                engine: compression.deflateEngine, level: compression.level,
                windowBits: windowBits, memoryLevel: compression.memoryLevel)
        }
    }

    final class SharedInflater {
        @exclusivity(unchecked) fileprivate var inflater: Inflater

        fileprivate init(engine: DeflateEngine) {
            // 15 fits every agreement (RFC 7692 §7.1.2).
            unsafe inflater = Inflater(engine: engine, windowBits: 15)
        }
    }

    private struct DeflaterKind: Hashable {
        let engine: Compression.Engine
        let level: Int
        let memoryLevel: Int
        let windowBits: Int
    }

    @exclusivity(unchecked) var counts = CompressionCounts()
    let budget: ByteBudget
    /// Window bits of the contexts that publications share: the server's, whatever a route has.
    var publicationWindowBits = 15
    private var deflaters: [DeflaterKind: SharedDeflater] = [:]
    private var inflaters: [DeflateEngine: SharedInflater] = [:]
    private var agreements: [AgreementKey: MessageCompression] = [:]

    /// Where messages are deflated to.
    @exclusivity(unchecked) private var deflated = unsafe UnsafeMutableRawBufferPointer(
        start: nil, count: 0)
    /// Where messages are inflated to.
    @exclusivity(unchecked) private var inflated = unsafe AssemblyBuffer()

    /// A buffer that is larger than this is given back after the message.
    private static let keptSizeMax = 64 << 10

    init(budget: ByteBudget) { self.budget = budget }

    deinit { unsafe deflated.deallocate() }

    /// What has been counted so far, and what is held now.
    var total: CompressionCounts {
        var total = unsafe counts
        total.codecBytes = unsafe deflated.count + inflated.capacity
        for shared in deflaters.values { unsafe total.codecBytes += shared.deflater.memorySize }
        for shared in inflaters.values { unsafe total.codecBytes += shared.inflater.memorySize }
        return total
    }

    // MARK: - Memory of contexts

    /// Takes bytes of the budget for what a connection's contexts may come to, or none.
    func takeMemory(_ count: Int) -> Bool {
        guard budget.take(count) else { return false }
        unsafe counts.contextBytesReserved += count
        return true
    }

    func giveMemory(_ count: Int) {
        budget.give(count)
        unsafe counts.contextBytesReserved -= count
    }

    // MARK: - What connections share

    private struct AgreementKey: Hashable {
        let parameters: DeflateParameters
        let role: Session.Role
        let compression: Compression
    }

    /// What a connection holds for `parameters`; all without a context share one object.
    ///
    /// `reserved`: bytes that have been taken of the budget for its contexts.
    func compression(
        _ parameters: DeflateParameters, role: Session.Role, options: SessionOptions,
        reserved: MessageCompression.Reserve
    ) -> MessageCompression {
        func make() -> MessageCompression {
            MessageCompression(
                parameters, role: role, compression: options.compression, codecs: self,
                reserve: reserved)
        }
        guard reserved.isNone else { return make() }
        // By value: options of one client's connection are gone with it, and others may be made
        // where they were.
        let key = AgreementKey(
            parameters: parameters, role: role, compression: options.compression)
        if let shared = agreements[key] { return shared }
        let shared = make()
        agreements[key] = shared
        return shared
    }

    func deflater(_ compression: Compression, windowBits: Int) -> SharedDeflater {
        let kind = DeflaterKind(
            engine: compression.engine, level: compression.level,
            memoryLevel: compression.memoryLevel, windowBits: windowBits)
        if let deflater = deflaters[kind] { return deflater }
        let deflater = SharedDeflater(compression, windowBits: windowBits)
        deflaters[kind] = deflater
        return deflater
    }

    func inflater(_ engine: DeflateEngine) -> SharedInflater {
        if let inflater = inflaters[engine] { return inflater }
        let inflater = SharedInflater(engine: engine)
        inflaters[engine] = inflater
        return inflater
    }

    // MARK: - Messages

    /// Deflates a message to send: the bytes of its frame's payload, valid until the next call,
    /// or `nil` if it doesn't shrink and goes out plain.
    func deflate(
        _ payload: UnsafeRawBufferPointer, by deflater: SharedDeflater,
        after history: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        let started = Self.now()
        let room = Deflater.room(for: payload.count)
        if unsafe deflated.count < room {
            unsafe deflated.deallocate()
            unsafe deflated = .allocate(byteCount: max(room, 4_096), alignment: 64)
        }
        let count = unsafe deflater.deflater.compress(payload, after: history, into: deflated)
        unsafe counts.codecNanoseconds &+= Self.now() &- started
        guard let count else {
            unsafe counts.messagesSentIncompressible &+= 1
            return nil
        }
        unsafe counts.messagesDeflated &+= 1
        unsafe counts.bytesBeforeDeflate &+= UInt64(payload.count)
        unsafe counts.bytesAfterDeflate &+= UInt64(count)
        return unsafe UnsafeRawBufferPointer(rebasing: deflated[..<count])
    }

    /// Inflates a received message to at most `limit` bytes, valid until the next call.
    func inflate(
        _ payload: UnsafeRawBufferPointer, by inflater: SharedInflater,
        after history: UnsafeRawBufferPointer, limit: Int, assemblies: inout AssemblyPool
    ) -> InflatedMessage {
        let started = Self.now()
        unsafe inflated.count = 0
        // Safety: the closure is called during the call alone, in which nothing else uses the pool.
        let outcome = unsafe withUnsafeMutablePointer(to: &assemblies) { assemblies in
            unsafe inflater.inflater.decompress(
                payload, after: history, limit: limit, into: &inflated
            ) { buffer, capacity in
                unsafe assemblies.pointee.grow(
                    &buffer, to: capacity, expected: capacity, isBrief: true)
            }
        }
        unsafe counts.codecNanoseconds &+= Self.now() &- started
        switch outcome {
        case .done(let count):
            unsafe counts.messagesInflated &+= 1
            unsafe counts.bytesBeforeInflate &+= UInt64(payload.count)
            unsafe counts.bytesAfterInflate &+= UInt64(count)
            return unsafe .message(UnsafeRawBufferPointer(start: inflated.base, count: count))
        case .tooBig: return unsafe .tooBig
        case .corrupt: return unsafe .corrupt
        case .noMemory: return unsafe .noMemory
        }
    }

    /// Gives large buffers back, once the messages in them are done with.
    @inline(__always)
    func trim(_ assemblies: inout AssemblyPool) {
        if unsafe inflated.capacity > Self.keptSizeMax { unsafe assemblies.release(&inflated) }
        if unsafe deflated.count > Self.keptSizeMax { releaseDeflated() }
    }

    private func releaseDeflated() {
        unsafe deflated.deallocate()
        unsafe deflated = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// Gives all buffers back, when the loop has no connection left.
    func release(_ assemblies: inout AssemblyPool) {
        unsafe assemblies.release(&inflated)
        releaseDeflated()
    }

    /// Nanoseconds of a clock that never goes back.
    static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Compression {
    var deflateEngine: DeflateEngine {
        engine == .zlib ? .zlib : .automatic(level: level)
    }

    /// Levels say nothing of inflating: the fastest there is.
    var inflateEngine: DeflateEngine {
        engine == .zlib ? .zlib : DeflateEngine.available.last!
    }
}
