import CZlib

/// A decompressing stream of zlib.
///
/// Safety: the stream is allocated, initialised and freed only here, and never moves, because zlib
/// refers back to it.
@safe
final class ZlibInflater: InflateStream {
    private let stream: UnsafeMutablePointer<z_stream>

    /// The size of its state and, after the first output, of its window, in bytes.
    static let memorySize = 7_168 + (1 << windowBits)
    var memorySize: Int { Self.memorySize }

    /// The most input of one step, in bytes. Without output, that many take two milliseconds.
    private static let inputSizeMax = 16 << 10

    /// The window bits: the maximum. A smaller window would not restrict peers reliably, because
    /// zlib accepts any distance within the output of one call. Its verdict would then depend on
    /// when memory was grown.
    private static let windowBits = 15

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let status = unsafe apus_inflate_init(stream, Int32(Self.windowBits))
        precondition(status == Z_OK, "inflateInit2: \(status)")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    func start(after history: UnsafeRawBufferPointer) {
        unsafe inflateReset(stream)
        guard let dictionary = history.baseAddress, unsafe !history.isEmpty else { return }
        // Safety: the caller guarantees the history, which zlib copies.
        let status = unsafe inflateSetDictionary(
            stream, dictionary.assumingMemoryBound(to: UInt8.self), UInt32(history.count))
        precondition(status == Z_OK, "inflateSetDictionary: \(status)")
    }

    func restart() { unsafe inflateResetKeep(stream) }

    func step(
        _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> InflateStep {
        // The caller calls again with the rest.
        let inputSize = min(input.count, Self.inputSizeMax)
        // zlib uses 32-bit counts.
        let outputSize = min(output.count, 1 << 30)
        // Safety: the caller guarantees both buffers, and zlib keeps neither after the call. It
        // doesn't write to its input, although that isn't declared `const`.
        unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe stream.pointee.avail_in = UInt32(inputSize)
        unsafe stream.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(
            to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(outputSize)
        let status = unsafe inflate(stream, Z_SYNC_FLUSH)
        let count = unsafe outputSize - Int(stream.pointee.avail_out)
        unsafe input = unsafe UnsafeRawBufferPointer(
            rebasing: input.dropFirst(inputSize - Int(stream.pointee.avail_in)))
        switch status {
        // There was nothing to do: no input, or no room.
        case Z_OK, Z_BUF_ERROR: return InflateStep(status: .paused, count: count)
        case Z_STREAM_END: return InflateStep(status: .ended, count: count)
        default: return InflateStep(status: .failed, count: count)
        }
    }

    /// Whether the input ended like a sync flush. `inflateSyncPoint` was made for PPP, which omits
    /// the same bytes.
    var isAtFlush: Bool { unsafe inflateSyncPoint(stream) == 1 }
}
