#if ISAL
    import CISAL

    /// A decompressing stream of ISA-L, for messages without final blocks. It fails at a final
    /// block.
    ///
    /// It also fails if the input has little output: ISA-L takes seven to a hundred times as long
    /// as zlib to read the codes of a block (0.37 s for a MiB of blocks with nothing but codes).
    /// For blocks with content it is faster all the same.
    ///
    /// Safety: the state is allocated and freed only here.
    @safe
    final class ISALInflater: InflateStream {
        private let state: UnsafeMutablePointer<inflate_state>
        /// The bytes read and written since the last check of their ratio.
        private var read = 0
        private var written = 0

        /// The input between two checks, in bytes. Regular messages have more than half as much
        /// output.
        private var sliceSize = firstSliceSize

        /// The input before the first check, in bytes: a KiB of empty blocks takes 0.6 ms.
        private static let firstSliceSize = 512
        private static let laterSliceSize = 8 << 10

        static var memorySize: Int { unsafe MemoryLayout<inflate_state>.size }
        var memorySize: Int { Self.memorySize }

        init() {
            unsafe state = .allocate(capacity: 1)
            unsafe isal_inflate_init(state)
        }

        deinit { unsafe state.deallocate() }

        func start(after history: UnsafeRawBufferPointer) {
            unsafe isal_inflate_reset(state)
            read = 0
            written = 0
            sliceSize = Self.firstSliceSize
            guard let dictionary = history.baseAddress, unsafe !history.isEmpty else { return }
            // Safety: the caller guarantees the history. ISA-L copies it and doesn't write to it,
            // although that isn't declared `const`.
            let status = unsafe isal_inflate_set_dict(
                state,
                UnsafeMutablePointer(mutating: dictionary.assumingMemoryBound(to: UInt8.self)),
                UInt32(history.count))
            precondition(status == COMP_OK, "isal_inflate_set_dict: \(status)")
        }

        func restart() { preconditionFailure("final blocks fail") }

        func step(
            _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
        ) -> InflateStep {
            // ISA-L uses 32-bit counts. The caller calls again with the rest.
            let inputSize = min(input.count, sliceSize)
            let outputSize = min(output.count, 1 << 30)
            // Safety: the caller guarantees both buffers, and ISA-L keeps neither after the call.
            // It doesn't write to its input, although that isn't declared `const`.
            unsafe state.pointee.next_in = unsafe UnsafeMutablePointer(
                mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
            unsafe state.pointee.avail_in = UInt32(inputSize)
            unsafe state.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(
                to: UInt8.self)
            unsafe state.pointee.avail_out = UInt32(outputSize)
            let status = unsafe isal_inflate(state)
            // After an error its counts are invalid: they may exceed the passed sizes.
            guard status == ISAL_DECOMP_OK, unsafe !apus_isal_is_final(state) else {
                return InflateStep(status: .failed, count: 0)
            }
            let count = unsafe outputSize - Int(state.pointee.avail_out)
            let consumed = unsafe inputSize - Int(state.pointee.avail_in)
            unsafe input = unsafe UnsafeRawBufferPointer(rebasing: input.dropFirst(consumed))
            guard isWorthIt(consumed, count) else { return InflateStep(status: .failed, count: 0) }
            return InflateStep(status: .paused, count: count)
        }

        private func isWorthIt(_ consumed: Int, _ count: Int) -> Bool {
            read += consumed
            written += count
            guard read >= sliceSize else { return true }
            defer { (read, written, sliceSize) = (0, 0, Self.laterSliceSize) }
            return 2 * written >= read
        }

        var isAtFlush: Bool { unsafe apus_isal_is_at_flush(state) }
    }
#endif
