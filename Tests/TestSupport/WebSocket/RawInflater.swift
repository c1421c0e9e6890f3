import CZlib

/// A peer's inflater in plain zlib: one stream that keeps its window from message to message.
package final class RawInflater {
    private static let outputSize = 64 << 10

    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let output = UnsafeMutableRawBufferPointer.allocate(
        byteCount: outputSize, alignment: 16)
    package let windowBits: Int

    package init(windowBits: Int) {
        self.windowBits = windowBits
        stream.initialize(to: z_stream())
        precondition(apus_inflate_init(stream, Int32(windowBits)) == Z_OK)
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// Discards the window, for a peer that negotiated no context takeover.
    package func reset() { inflateReset(stream) }

    /// Returns the message, valid until the next call; `nil` if it is invalid.
    package func inflate(_ compressed: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var input = Array(compressed)
        input += [0x00, 0x00, 0xFF, 0xFF]
        return input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            stream.pointee.next_out = output.baseAddress!.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(output.count)
            let status = CZlib.inflate(stream, Z_SYNC_FLUSH)
            guard status == Z_OK, stream.pointee.avail_in == 0 else { return nil }
            let count = output.count - Int(stream.pointee.avail_out)
            return UnsafeRawBufferPointer(rebasing: output[..<count])
        }
    }

    /// The bytes in the window.
    package var window: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32 << 10) { window, count in
            var size: UInt32 = 0
            inflateGetDictionary(stream, window.baseAddress, &size)
            count = Int(size)
        }
    }
}
