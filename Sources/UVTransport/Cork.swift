/// The loop's one gathering buffer: a turn's writes to one stream, sent by one system call.
///
/// Whoever writes becomes its owner; another stream's bytes are flushed first. It lives behind a
/// `let` pointer of the loop, so that inlined code reaches its fields without exclusivity checks.
@frozen @unsafe
public struct Cork {
    /// Start of the buffer, `capacity` bytes.
    public let base: UnsafeMutableRawPointer
    /// The largest gathered write; larger payloads go out beside the buffer, uncopied.
    public let capacity: Int
    /// Bytes gathered for `owner`.
    public var count = 0
    /// The stream whose bytes these are; kept alive by its open handle.
    public var owner: Unmanaged<Stream>?

    init(capacity: Int) {
        unsafe base = .allocate(byteCount: capacity, alignment: 64)
        unsafe self.capacity = capacity
    }

    func deallocate() { unsafe base.deallocate() }
}
