import CZlib

/// A zlib stream that inflates.
///
/// Safety: the stream is allocated, initialised and freed here alone, and stays where it is, as
/// zlib points back to it.
@safe
final class ZlibInflater: InflateStream {
    private let stream: UnsafeMutablePointer<z_stream>

    /// Its state and, once something is inflated, the window.
    static let memorySize = 7_168 + (1 << windowBits)
    var memorySize: Int { Self.memorySize }

    /// Bytes of input that one step reads: where they come to nothing, as many take two
    /// milliseconds.
    private static let inputSizeMax = 16 << 10

    /// The largest. A smaller one would not hold peers to theirs: zlib lets a distance reach as
    /// far as the output of one call does, so that its verdict would hang on where memory grew.
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
        // Safety: the caller vouches for the history, which zlib copies.
        let status = unsafe inflateSetDictionary(
            stream, dictionary.assumingMemoryBound(to: UInt8.self), UInt32(history.count))
        precondition(status == Z_OK, "inflateSetDictionary: \(status)")
    }

    func restart() { unsafe inflateResetKeep(stream) }

    func step(
        _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> InflateStep {
        // The loop comes again with what is left.
        let inputSize = min(input.count, Self.inputSizeMax)
        // zlib counts in 32 bits.
        let outputSize = min(output.count, 1 << 30)
        // Safety: the caller vouches for both buffers, and zlib keeps neither after the call. It
        // does not write to its input, though it is not declared so.
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
        // It had nothing to do: no input, or no room.
        case Z_OK, Z_BUF_ERROR: return InflateStep(status: .paused, count: count)
        case Z_STREAM_END: return InflateStep(status: .ended, count: count)
        default: return InflateStep(status: .failed, count: count)
        }
    }

    /// Made by zlib's author for PPP, which leaves the same bytes off.
    var isAtFlush: Bool { unsafe inflateSyncPoint(stream) == 1 }
}
