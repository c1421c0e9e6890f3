/// What a connection's inflater is known to hold in its window: the publications last sent to it
/// compressed, in order, with nothing else between them or after.
///
/// The publications never change. There is one object for equal contexts, so that identity is
/// equality; ``ContextTable`` sees to that. To be let go of on its loop's thread, and so are the
/// connections' references: `deinit` takes it out of the table.
// Safety: the memory is allocated in `init` and freed in `deinit`, and never changes between.
@safe
package final class SharedContext {
    let table: ContextTable
    /// From the oldest to the last; at least one.
    let parts: UnsafeBufferPointer<ContextPart.Pointer>
    /// Bytes of all parts.
    let size: Int
    let hash: UInt64
    /// The next in the table's bucket.
    @exclusivity(unchecked) var nextInBucket: Unmanaged<SharedContext>?

    // What a delivery looks up: here, so that it costs no search. For ``SharedContexts`` alone.

    /// The publication, by its number among those begun, that the rest is about.
    @exclusivity(unchecked) var epoch: UInt64 = 0
    @exclusivity(unchecked) var group = 0
    @exclusivity(unchecked) var readers = 0
    /// What its readers get, and the context after that; `nil` again at the end.
    @exclusivity(unchecked) var frame: SharedFrame?
    @exclusivity(unchecked) var next: SharedContext?

    /// Holds the parts.
    init(_ table: ContextTable, _ candidate: ContextTable.Candidate) {
        self.table = table
        let kept = unsafe candidate.kept
        let memory = UnsafeMutableBufferPointer<ContextPart.Pointer>.allocate(
            capacity: kept.count + 1)
        _ = unsafe memory.initialize(fromContentsOf: kept)
        unsafe memory.initializeElement(at: kept.count, to: candidate.added)
        for index in memory.indices { unsafe memory[index].pointee.holders += 1 }
        unsafe parts = UnsafeBufferPointer(memory)
        size = candidate.size
        hash = candidate.hash
    }

    deinit {
        table.remove(self)
        for index in unsafe parts.indices { unsafe table.release(parts[index]) }
        unsafe parts.deallocate()
    }

    var last: ContextPart.Pointer { unsafe parts[parts.count - 1] }

    /// Copies the last bytes to the end of `window`, as many as it holds, and returns them there.
    package func copy(to window: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer {
        var start = window.count
        var index = unsafe parts.count
        while index > 0, start > 0 {
            index -= 1
            let bytes = unsafe ContextPart.bytes(of: parts[index]).suffix(start)
            unsafe start -= bytes.count
            unsafe UnsafeMutableRawBufferPointer(rebasing: window[start...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes))
        }
        return unsafe UnsafeRawBufferPointer(rebasing: window[start...])
    }
}
