/// The decompressing stream of a library; see ``InflateLoop``.
protocol InflateStream: AnyObject {
    /// Starts a new message, with `history` as the window.
    func start(after history: UnsafeRawBufferPointer)
    /// Decompresses from `input` into `output`, and advances `input` past the bytes that were read.
    func step(
        _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> InflateStep
    /// Continues after a final block, with the same window.
    func restart()
    /// Whether the input ended like a sync flush without its tail, within an empty stored block,
    /// and all output is written. Without this check, one in twenty truncated messages would be
    /// accepted, because the tail can be read as the codes of an end of block.
    var isAtFlush: Bool { get }
    /// The size of its memory, in bytes.
    var memorySize: Int { get }
}

/// The result of one call to a library.
struct InflateStep {
    enum Status {
        /// It stopped because the input or the room was used up.
        case paused
        /// It reached the end of a final block.
        case ended
        case failed
    }

    var status: Status
    /// The number of bytes written.
    var count: Int
}

/// The decompression of one message by a stream: its end, its limit, and the growth of its output.
enum InflateLoop {
    private static let capacityMin = 1_024
    /// The size of the buffer beside a full output, by which further output is detected; in bytes.
    private static let probeSize = 64
    /// The most output of one step, in bytes. The time is checked between steps.
    private static let stepSize = 256 << 10

    /// Decompresses the rest of a message, and advances `rest` past the bytes that were read.
    ///
    /// - Parameter isSliceOver: Called between steps. Returning true ends this call with `.paused`;
    ///   another call continues.
    static func run(
        _ stream: some InflateStream, _ rest: inout UnsafeRawBufferPointer, limit: Int,
        output: inout AssemblyBuffer, isSliceOver: () -> Bool,
        grow: (inout AssemblyBuffer, Int) -> Bool
    ) -> Inflater.Outcome {
        unsafe withUnsafeTemporaryAllocation(byteCount: probeSize, alignment: 8) { probe in
            unsafe run(
                stream, &rest, probe: probe, limit: limit, output: &output,
                isSliceOver: isSliceOver, grow: grow)
        }
    }

    private static func run(
        _ stream: some InflateStream, _ rest: inout UnsafeRawBufferPointer,
        probe: UnsafeMutableRawBufferPointer, limit: Int, output: inout AssemblyBuffer,
        isSliceOver: () -> Bool, grow: (inout AssemblyBuffer, Int) -> Bool
    ) -> Inflater.Outcome {
        // Text shrinks to a third or a quarter. The room is never more than a few times the input.
        let guess = min(limit, max(capacityMin, 4 * rest.count))
        if unsafe output.capacity < guess, unsafe !grow(&output, guess) { return .noMemory }
        while true {
            let before = rest.count
            let room = unsafe min(min(output.capacity, limit) - output.count, stepSize)
            let isProbe = room <= 0
            // Safety: the room is within the capacity of the output.
            let target =
                unsafe isProbe
                ? probe
                : UnsafeMutableRawBufferPointer(start: output.base! + output.count, count: room)
            let step = unsafe stream.step(&rest, into: target)
            if !isProbe {
                unsafe output.count += step.count
            } else if step.count > 0 {
                // An error after the limit no longer matters.
                let fault = unsafe append(probe, step.count, limit, &output, grow)
                if let fault { return fault }
            }
            switch step.status {
            case .failed: return .corrupt
            case .ended:
                stream.restart()
                // After a final block there is no flush whose tail could be missing.
                if unsafe rest.isEmpty { return unsafe .done(output.count) }
            case .paused:
                if step.count == target.count { break }
                if unsafe rest.isEmpty {
                    // The tail itself has no output.
                    return unsafe stream.isAtFlush ? .done(output.count) : .corrupt
                }
                // Room and input are left: without progress now, there would never be any.
                if step.count == 0, rest.count == before { return .corrupt }
            }
            if isSliceOver() { return .paused }
        }
    }

    /// Grows the full output, and appends the bytes that came after it was full.
    private static func append(
        _ probe: UnsafeMutableRawBufferPointer, _ count: Int, _ limit: Int,
        _ output: inout AssemblyBuffer, _ grow: (inout AssemblyBuffer, Int) -> Bool
    ) -> Inflater.Outcome? {
        let needed = unsafe output.count + count
        if needed > limit { return .tooBig }
        let capacity = unsafe min(limit, max(2 * output.capacity, needed))
        guard unsafe grow(&output, capacity) else { return .noMemory }
        // Safety: `grow` has made room for `capacity` bytes, and `needed` is at most that.
        unsafe (output.base! + output.count).copyMemory(
            from: probe.baseAddress!, byteCount: count)
        unsafe output.count = needed
        return nil
    }
}
