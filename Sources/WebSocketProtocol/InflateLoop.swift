/// A library's stream that inflates; see ``InflateLoop``.
protocol InflateStream: AnyObject {
    /// Starts anew, with a window of `history`.
    func start(after history: UnsafeRawBufferPointer)
    /// Inflates from `input`, which is moved past what was read, into `output`.
    func step(
        _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> InflateStep
    /// Goes on behind a final block, in the same window.
    func restart()
    /// Whether what was read ends as a sync flush does less its tail, and all is written out:
    /// within an empty stored block. Without this check one in twenty messages that are cut short
    /// would pass, with the tail taken for the codes of an end of block.
    var isAtFlush: Bool { get }
    /// The bytes of memory that it holds.
    var memorySize: Int { get }
}

/// What one call to a library did.
struct InflateStep {
    enum Status {
        /// It stopped for want of input or of room.
        case paused
        /// A final block is over.
        case ended
        case failed
    }

    var status: Status
    /// Bytes written.
    var count: Int
}

/// Drives a stream over one message: its end, its limit and the growth of its output.
enum InflateLoop {
    private static let capacityMin = 1_024
    /// Bytes by which a full output is overrun, elsewhere, to learn whether there is more.
    private static let probeSize = 64
    /// Bytes of one step's output, so that there is a look at the time between steps.
    private static let stepSize = 256 << 10

    /// Inflates what is left of a message; `rest` is moved past what was read.
    ///
    /// - Parameter isSliceOver: asked between steps: true ends the call with `.paused`, and another
    ///   goes on.
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
        // Text shrinks to a third or a quarter. Never more than a few times what has come.
        let guess = min(limit, max(capacityMin, 4 * rest.count))
        if unsafe output.capacity < guess, unsafe !grow(&output, guess) { return .noMemory }
        while true {
            let before = rest.count
            let room = unsafe min(min(output.capacity, limit) - output.count, stepSize)
            let isProbe = room <= 0
            // Safety: the room is within the output's capacity.
            let target =
                unsafe isProbe
                ? probe
                : UnsafeMutableRawBufferPointer(start: output.base! + output.count, count: room)
            let step = unsafe stream.step(&rest, into: target)
            if !isProbe {
                unsafe output.count += step.count
            } else if step.count > 0 {
                // A fault that comes only behind the limit does not count any more.
                let fault = unsafe append(probe, step.count, limit, &output, grow)
                if let fault { return fault }
            }
            switch step.status {
            case .failed: return .corrupt
            case .ended:
                stream.restart()
                // Behind a final block there is no flush whose tail could be missing.
                if unsafe rest.isEmpty { return unsafe .done(output.count) }
            case .paused:
                if step.count == target.count { break }
                if unsafe rest.isEmpty {
                    // The tail itself would add nothing.
                    return unsafe stream.isAtFlush ? .done(output.count) : .corrupt
                }
                // Room and input are left, so it has moved, or it never will.
                if step.count == 0, rest.count == before { return .corrupt }
            }
            if isSliceOver() { return .paused }
        }
    }

    /// Puts what came after the output was full behind it, after growing it.
    private static func append(
        _ probe: UnsafeMutableRawBufferPointer, _ count: Int, _ limit: Int,
        _ output: inout AssemblyBuffer, _ grow: (inout AssemblyBuffer, Int) -> Bool
    ) -> Inflater.Outcome? {
        let needed = unsafe output.count + count
        if needed > limit { return .tooBig }
        let capacity = unsafe min(limit, max(2 * output.capacity, needed))
        guard unsafe grow(&output, capacity) else { return .noMemory }
        // Safety: `grow` has made room for `capacity` bytes, which `needed` is not above.
        unsafe (output.base! + output.count).copyMemory(
            from: probe.baseAddress!, byteCount: count)
        unsafe output.count = needed
        return nil
    }
}
