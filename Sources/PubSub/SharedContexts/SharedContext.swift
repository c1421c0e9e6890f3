/// The known content of a connection's inflater window: the publications last sent to it
/// compressed, in order, with nothing else between them or after them.
///
/// The publications of a context never change. There is one object for equal contexts, so that
/// identity is equality; ``ContextTable`` sees to that. The last reference must be released on the
/// loop's thread, because `deinit` removes the context from the table.
// Safety: the memory is allocated in `init` and freed in `deinit`, and never changes between.
@safe
@usableFromInline
package final class SharedContext {
    let table: ContextTable
    /// The publications, from the oldest to the last; at least one.
    let parts: UnsafeBufferPointer<ContextPart.Pointer>
    /// The number of bytes of all parts.
    let size: Int
    let hash: UInt64
    /// The next context in the table's bucket.
    var nextInBucket: Unmanaged<SharedContext>?

    /// The notes of ``SharedContexts`` about a context for one publication. A delivery reads them
    /// here rather than in a dictionary.
    @usableFromInline
    struct Notes {
        /// The publication, by its number among those encoded, that the other values belong to.
        @usableFromInline var epoch: UInt64 = 0
        var group = 0
        @usableFromInline var readers = 0
        /// The frame for its readers and the context after it; `nil` between publications.
        @usableFromInline var frame: SharedFrame?
        @usableFromInline var next: SharedContext?
    }

    // Safety: each delivery reads them, so there are no checks for exclusive access. No access
    // contains another.
    @exclusivity(unchecked) @usableFromInline var storedNotes = Notes()

    @inlinable @inline(__always)
    var notes: Notes {
        _read { yield unsafe storedNotes }
        _modify { yield unsafe &storedNotes }
    }

    /// Creates a context that holds its parts.
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
