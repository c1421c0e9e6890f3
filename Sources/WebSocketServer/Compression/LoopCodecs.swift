import Glibc
import UVTransport
import WebSocketProtocol

/// The deflaters, inflaters and buffers of an event loop, which all its connections share.
///
/// It belongs to the loop's thread. The part of a single connection is ``MessageCompression``.
// Safety: the buffers are allocated and freed only here, and lent for one call of a handler.
@safe
final class LoopCodecs {
    /// The deflaters, one for each combination of parameters, created when first needed.
    final class SharedDeflater {
        fileprivate var deflater: Deflater

        fileprivate init(_ compression: Compression, windowBits: Int) {
            deflater = Deflater(
                engine: compression.deflateEngine, level: compression.level,
                windowBits: windowBits, memoryLevel: compression.memoryLevel)
        }
    }

    final class SharedInflater {
        fileprivate var inflater: Inflater

        fileprivate init(engine: DeflateEngine) {
            // A window of 15 bits decompresses everything (RFC 7692 §7.1.2).
            inflater = Inflater(engine: engine, windowBits: 15)
        }
    }

    private struct DeflaterKind: Hashable {
        let engine: Compression.Engine
        let level: Int
        let memoryLevel: Int
        let windowBits: Int
    }

    var counts = CompressionCounts()
    let budget: ByteBudget
    /// The loop, whose clock measures the work; `nil` doesn't measure it.
    private let loop: EventLoop?
    /// The window bits of shared contexts: the server's setting, not that of a route.
    var publicationWindowBits = 15
    private var deflaters: [DeflaterKind: SharedDeflater] = [:]
    private var inflaters: [DeflateEngine: SharedInflater] = [:]
    private var agreements: [AgreementKey: MessageCompression] = [:]

    /// The buffer for compressed messages.
    private var deflated = unsafe UnsafeMutableRawBufferPointer(
        start: nil, count: 0)
    /// The buffer for decompressed messages.
    private var inflated = unsafe AssemblyBuffer()

    /// The partly decompressed message, until it is taken.
    private var paused: Inflation?

    /// The size above which a buffer is freed after the message.
    private static let keptSizeMax = 64 << 10

    init(budget: ByteBudget, loop: EventLoop? = nil) {
        self.budget = budget
        self.loop = loop
    }

    deinit { unsafe deflated.deallocate() }

    /// The counters so far, and the memory held now.
    var total: CompressionCounts {
        var total = counts
        total.codecBytes = unsafe deflated.count + inflated.capacity
        for shared in deflaters.values { total.codecBytes += shared.deflater.memorySize }
        for shared in inflaters.values { total.codecBytes += shared.inflater.memorySize }
        return total
    }

    // MARK: - Memory of contexts

    /// Reserves the most memory that a connection's contexts can take; all of it, or none.
    func takeMemory(_ count: Int) -> Bool {
        guard budget.take(count) else { return false }
        counts.contextBytesReserved += count
        return true
    }

    func giveMemory(_ count: Int) {
        budget.give(count)
        counts.contextBytesReserved -= count
    }

    // MARK: - Shared by connections

    private struct AgreementKey: Hashable {
        let parameters: DeflateParameters
        let role: Session.Role
        let compression: Compression
    }

    /// Returns the compression of a connection with these parameters. Connections without contexts
    /// share one object.
    ///
    /// - Parameter reserved: The bytes reserved for its contexts.
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
        // Compared by value: the options of one connection may be freed, and others allocated in
        // the same place.
        let key = AgreementKey(
            parameters: parameters, role: role, compression: options.compression)
        if let shared = agreements[key] { return shared }
        let shared = make()
        agreements[key] = shared
        return shared
    }

    /// Forgets the shared objects of connections, after a reload. Open connections keep theirs.
    func forgetAgreements() { agreements = [:] }

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

    /// Compresses a message. Returns the payload of its frame, valid until the next call, or `nil`
    /// if the message doesn't shrink and is to be sent uncompressed.
    func deflate(
        _ payload: UnsafeRawBufferPointer, by deflater: SharedDeflater,
        after history: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        let started = now()
        let room = Deflater.room(for: payload.count)
        if unsafe deflated.count < room {
            unsafe deflated.deallocate()
            unsafe deflated = .allocate(byteCount: max(room, 4_096), alignment: 64)
        }
        let count = unsafe deflater.deflater.compress(payload, after: history, into: deflated)
        counts.codecNanoseconds &+= now() &- started
        guard let count else {
            counts.messagesSentIncompressible &+= 1
            return nil
        }
        counts.messagesDeflated &+= 1
        counts.bytesBeforeDeflate &+= UInt64(payload.count)
        counts.bytesAfterDeflate &+= UInt64(count)
        return unsafe UnsafeRawBufferPointer(rebasing: deflated[..<count])
    }

    /// Decompresses a received message to at most `limit` bytes, valid until the next call. If that
    /// takes longer than ``sliceMax``, the message is unfinished, and ``takePaused()``
    /// must be called next.
    ///
    /// - Parameter paused: The state that an earlier call has left of the message.
    func inflate(
        _ payload: UnsafeRawBufferPointer, by inflater: SharedInflater,
        after history: UnsafeRawBufferPointer, limit: Int, resuming paused: Inflation? = nil,
        assemblies: inout AssemblyPool
    ) -> InflatedMessage {
        let started = now()
        if let paused {
            unsafe assemblies.release(&inflated)
            unsafe swap(&inflated, &paused.output)
            assemblies.giveBeside(paused.memorySize)
        } else {
            unsafe inflated.count = 0
        }
        // Safety: the closure is called only during this call, in which nothing else uses the pool.
        let outcome = unsafe withUnsafeMutablePointer(to: &assemblies) { assemblies in
            unsafe inflater.inflater.decompress(
                payload, after: history, limit: limit, into: &inflated, resuming: paused,
                isSliceOver: { now() &- started > Self.sliceMax },
                grow: { buffer, capacity in
                    unsafe assemblies.pointee.grow(
                        &buffer, to: capacity, expected: capacity, isBrief: true)
                })
        }
        counts.codecNanoseconds &+= now() &- started
        switch outcome {
        case .done(let count):
            counts.messagesInflated &+= 1
            counts.bytesBeforeInflate &+= UInt64(payload.count)
            counts.bytesAfterInflate &+= UInt64(count)
            return unsafe .message(UnsafeRawBufferPointer(start: inflated.base, count: count))
        case .tooBig: return unsafe .tooBig
        case .corrupt: return unsafe .corrupt
        case .noMemory: return unsafe .noMemory
        case .paused:
            let inflation = unsafe inflater.inflater.takePaused(output: &inflated)
            assemblies.takeBeside(inflation.memorySize)
            self.paused = inflation
            return unsafe .unfinished
        }
    }

    /// Returns the state of the message that the last call left unfinished.
    func takePaused() -> Inflation? {
        defer { paused = nil }
        return paused
    }

    /// Frees the memory of an unfinished message.
    func discard(_ inflation: Inflation, _ assemblies: inout AssemblyPool) {
        assemblies.giveBeside(inflation.memorySize)
        unsafe assemblies.release(&inflation.output)
    }

    /// Frees large buffers, once their messages have been handled.
    @inline(__always)
    func trim(_ assemblies: inout AssemblyPool) {
        if unsafe inflated.capacity > Self.keptSizeMax { unsafe assemblies.release(&inflated) }
        if unsafe deflated.count > Self.keptSizeMax { releaseDeflated() }
    }

    private func releaseDeflated() {
        unsafe deflated.deallocate()
        unsafe deflated = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// Frees all buffers, when the loop has no connection left.
    func release(_ assemblies: inout AssemblyPool) {
        unsafe assemblies.release(&inflated)
        releaseDeflated()
    }

    /// The nanoseconds that one message may take in one turn; the rest of it waits for another
    /// turn.
    static let sliceMax: UInt64 = 2_000_000

    /// Returns the time of the loop's monotonic clock, in nanoseconds.
    func now() -> UInt64 { loop?.nanoseconds ?? 0 }
}

extension Compression {
    var deflateEngine: DeflateEngine {
        engine == .zlib ? .zlib : .automatic(level: level)
    }

    /// The engine for decompression: the fastest one, since levels concern compression only.
    var inflateEngine: DeflateEngine {
        engine == .zlib ? .zlib : DeflateEngine.available.last!
    }
}
