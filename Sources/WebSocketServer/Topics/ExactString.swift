import Glibc

/// A string that equals another only if their UTF-8 is the same: a topic's name, or a key.
///
/// Strings themselves are equal by canonical equivalence: «é» as one scalar and as two would be
/// one topic here, and two channels of a broker that knows bytes. Bytes are faster as well, where
/// they aren't ASCII, and don't let clients pick many names with one hash.
struct ExactString: Hashable {
    let string: String

    init(_ string: String) { self.string = string }

    static func == (a: Self, b: Self) -> Bool {
        // Swift's own strings lie in one piece, so that this is one comparison of memory.
        let same = unsafe a.string.utf8.withContiguousStorageIfAvailable { a in
            unsafe b.string.utf8.withContiguousStorageIfAvailable { b in
                // Safety: as many bytes as are compared are there, on both sides.
                unsafe a.count == b.count
                    && (a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0)
            }
        }
        return same.flatMap(\.self) ?? a.string.utf8.elementsEqual(b.string.utf8)
    }

    func hash(into hasher: inout Hasher) {
        // Safety: the bytes are valid during the call.
        let isDone: Void? = unsafe string.utf8.withContiguousStorageIfAvailable {
            unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isDone == nil { for byte in string.utf8 { hasher.combine(byte) } }
        // Not in UTF-8: where this string ends, and the next of several begins.
        hasher.combine(0xFF as UInt8)
    }
}
