import CZlib

/// A zlib stream that deflates.
///
/// Safety: the stream is allocated, initialised and freed here alone, and stays where it is, as
/// zlib points back to it.
@safe
final class ZlibDeflater: DeflateStream {
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int, windowBits: Int, memoryLevel: Int) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // zlib's own sum (zconf.h), its state beside it.
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
        // Safety: the caller vouches for the buffers, and zlib keeps none after the call. It does
        // not write to its input, though it is not declared so.
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
        // A flush is over when room is left (zlib.h); without any there may be more to write.
        guard status == Z_OK, unsafe stream.pointee.avail_in == 0,
            unsafe stream.pointee.avail_out > 0
        else { return nil }
        return unsafe output.count - Int(stream.pointee.avail_out)
    }
}
