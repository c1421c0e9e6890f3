#if ISAL
    import CISAL

    /// An ISA-L stream that inflates messages without final blocks; at one of those it fails.
    ///
    /// So it does where input comes to nothing: reading a block's codes takes it from seven to a
    /// hundred times as long as zlib (0.37 s for a MiB of blocks that say nothing but their codes),
    /// which it makes up for where there is something to decode.
    ///
    /// Safety: the state is allocated and freed here alone.
    @safe
    final class ISALInflater: InflateStream {
        private let state: UnsafeMutablePointer<inflate_state>
        /// Bytes read and written since the last look at what they come to.
        private var read = 0
        private var written = 0

        /// Bytes of input until the next look; what was worth compressing comes to more than half.
        private var sliceSize = firstSliceSize

        /// Before the first look nothing is known, and a KiB of empty blocks takes 0.6 ms.
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
            // Safety: the caller vouches for the history, which ISA-L copies. It does not write to
            // it, though it is not declared so.
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
            // The loop comes again with what is left. ISA-L counts in 32 bits.
            let inputSize = min(input.count, sliceSize)
            let outputSize = min(output.count, 1 << 30)
            // Safety: the caller vouches for both buffers, and ISA-L keeps neither after the call.
            // It does not write to its input, though it is not declared so.
            unsafe state.pointee.next_in = unsafe UnsafeMutablePointer(
                mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
            unsafe state.pointee.avail_in = UInt32(inputSize)
            unsafe state.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(
                to: UInt8.self)
            unsafe state.pointee.avail_out = UInt32(outputSize)
            let status = unsafe isal_inflate(state)
            // After a fault its counts mean nothing: it may give back more than it was given.
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
