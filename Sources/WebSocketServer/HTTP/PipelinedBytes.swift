/// The bytes read after a request that is being answered, or those that wait for a later turn: less
/// than ``sizeMax``, and one more read.
struct PipelinedBytes {
    /// The bytes from which on nothing more is read until the request is answered.
    static let sizeMax = 16 << 10

    private var bytes: [UInt8] = []
    /// The number of bytes at the front that have been parsed.
    private var start = 0

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count - start }
    var capacity: Int { bytes.capacity }

    mutating func removeAll() { self = PipelinedBytes() }

    mutating func append(_ more: Slice<UnsafeMutableRawBufferPointer>) {
        // Parsed bytes must not pile up while more and more is appended.
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        unsafe bytes.append(contentsOf: more)
    }

    /// Takes the bytes out, and has `parse` return how many at the end must wait further. They stay
    /// where they are: with many requests in one read, each would copy the rest otherwise.
    mutating func parse(_ parse: (UnsafeMutableRawBufferPointer) -> Int) {
        var taken = bytes
        let first = start
        removeAll()
        let unread = unsafe taken.withUnsafeMutableBytes {
            unsafe parse(UnsafeMutableRawBufferPointer(rebasing: $0[first...]))
        }
        if unread > 0 { (bytes, start) = (taken, taken.count - unread) }
    }
}
