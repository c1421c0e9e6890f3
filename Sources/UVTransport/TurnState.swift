public import Synchronization

/// The state that inlined code reads and writes on every message: the loop's thread, whether jobs
/// wait, and the cork. The cork is the buffer that gathers a turn's writes to one stream for one
/// system call.
///
/// It is stored behind a `let` pointer of the loop, so that code of other modules reaches its
/// fields without a call or an exclusivity check.
@frozen @unsafe
public struct TurnState: ~Copyable {
    /// The loop's thread while it runs, as `apus_thread_word` names it, else 0. Atomic since others
    /// compare themselves with it.
    public let thread = Atomic<UInt>(0)
    /// Whether jobs are due at the end of the turn.
    public internal(set) var hasWork = false
    /// The largest gathered write; larger payloads go out beside the buffer, uncopied.
    public let corkCapacity: Int
    /// The start of the cork.
    public let cork: UnsafeMutableRawPointer
    /// The number of bytes gathered for `corkOwner`.
    public var corkCount = 0
    /// The owner of the gathered bytes: a stream that is open and has no outbox. Its open handle
    /// keeps it alive. `nil` after each flush.
    public internal(set) var corkOwner: Unmanaged<Stream>?

    init(corkCapacity: Int) {
        unsafe self.corkCapacity = corkCapacity
        unsafe cork = .allocate(byteCount: corkCapacity, alignment: 64)
    }

    func deallocate() { unsafe cork.deallocate() }
}
