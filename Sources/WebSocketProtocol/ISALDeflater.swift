#if ISAL
    import CISAL

    /// A compressing stream of ISA-L.
    ///
    /// Safety: the stream and its level buffer are allocated and freed only here.
    @safe
    final class ISALDeflater: DeflateStream {
        private let stream: UnsafeMutablePointer<isal_zstream>
        private let levelBuffer: UnsafeMutablePointer<UInt8>
        private let level: Int

        /// The sizes of messages for which level 1 uses ISA-L's level 3. There it leaves 3 % less
        /// for a few µs; see `Benchmarks/engines.md`.
        private static let thoroughSizes = 2 << 10..<16 << 10

        /// - Parameter level: 1…3. Level 0 uses fixed codes and compresses much worse.
        init(level: Int, windowBits: Int) {
            let levelSize = Int(apus_isal_level_buffer_size(level == 1 ? 3 : UInt32(level)))
            self.level = level
            unsafe stream = .allocate(capacity: 1)
            unsafe levelBuffer = .allocate(capacity: levelSize)
            unsafe super.init(memorySize: MemoryLayout<isal_zstream>.size + levelSize)
            unsafe isal_deflate_init(stream)
            unsafe stream.pointee.level_buf = unsafe levelBuffer
            unsafe stream.pointee.level_buf_size = UInt32(levelSize)
            unsafe stream.pointee.hist_bits = UInt16(windowBits)
            unsafe stream.pointee.flush = UInt16(SYNC_FLUSH)
            unsafe stream.pointee.end_of_stream = 0
        }

        deinit {
            unsafe stream.deallocate()
            unsafe levelBuffer.deallocate()
        }

        override func compress(
            _ input: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
            into output: UnsafeMutableRawBufferPointer
        ) -> Int? {
            // This keeps the window and flush settings.
            unsafe isal_deflate_reset(stream)
            let isThorough = level == 1 && Self.thoroughSizes.contains(input.count)
            unsafe stream.pointee.level = isThorough ? 3 : UInt32(level)
            // Safety: the caller guarantees the buffers. ISA-L copies what it needs later, and
            // doesn't write to its input, although that isn't declared `const`.
            if let dictionary = history.baseAddress, unsafe !history.isEmpty {
                let status = unsafe isal_deflate_set_dict(
                    stream,
                    UnsafeMutablePointer(
                        mutating: dictionary.assumingMemoryBound(to: UInt8.self)),
                    UInt32(history.count))
                precondition(status == COMP_OK, "isal_deflate_set_dict: \(status)")
            }
            unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(
                mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
            unsafe stream.pointee.avail_in = UInt32(input.count)
            unsafe stream.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(
                to: UInt8.self)
            unsafe stream.pointee.avail_out = UInt32(output.count)
            let status = unsafe isal_deflate(stream)
            guard status == COMP_OK, unsafe apus_isal_is_flushed(stream),
                unsafe stream.pointee.avail_out > 0
            else { return nil }
            return unsafe output.count - Int(stream.pointee.avail_out)
        }
    }
#endif
