import CZlib

/// A compressing stream of zlib.
///
/// Safety: the stream is allocated, initialised and freed only here, and never moves, because zlib
/// refers back to it.
@safe
final class ZlibDeflater: DeflateStream {
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int, windowBits: Int, memoryLevel: Int) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // The formula of zconf.h, plus the state.
        super.init(
            memorySize: (1 << (windowBits + 2)) + (1 << (memoryLevel + 9)) + 6_144)
        let status = unsafe apus_deflate_init(
            stream, Int32(level), Int32(windowBits), Int32(memoryLevel))
        precondition(status == Z_OK, "deflateInit2: \(status)")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    override func compress(
        _ input: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Int? {
        unsafe deflateReset(stream)
        // Safety: the caller guarantees the buffers, and zlib keeps none after the call. It doesn't
        // write to its input, although that isn't declared `const`.
        if let dictionary = history.baseAddress, unsafe !history.isEmpty {
            let status = unsafe deflateSetDictionary(
                stream, dictionary.assumingMemoryBound(to: UInt8.self), UInt32(history.count))
            precondition(status == Z_OK, "deflateSetDictionary: \(status)")
        }
        unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(
            to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(output.count)
        let status = unsafe deflate(stream, Z_SYNC_FLUSH)
        // A flush is complete if room is left (zlib.h); otherwise there may be more output.
        guard status == Z_OK, unsafe stream.pointee.avail_in == 0,
            unsafe stream.pointee.avail_out > 0
        else { return nil }
        return unsafe output.count - Int(stream.pointee.avail_out)
    }
}
