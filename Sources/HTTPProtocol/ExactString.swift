public import Glibc

/// Text that equals another only if their UTF-8 is the same: whatever a peer chooses is kept in one
/// of these, and never compared, hashed or walked as a `String`.
///
/// Strings themselves compare and hash by canonical equivalence, and for that put combining marks
/// into order, which costs the square of their number: with a run of them, one message of less than
/// half a megabyte would hold an event loop for more than a minute. Besides, «é» as one scalar and
/// as two would be one topic here, and two channels of a broker that knows bytes.
public struct ExactString: Hashable, Sendable {
    /// The text, for output and for what takes nothing else; not to be compared.
    public let string: String

    @inlinable
    public init(_ string: String) { self.string = string }

    /// Copies UTF-8; `nil` for bytes that are none.
    public init?(validating bytes: some Sequence<UInt8>) {
        guard let string = String(validating: bytes, as: UTF8.self) else { return nil }
        self.string = string
    }

    /// The bytes.
    @inlinable
    public var utf8: String.UTF8View { string.utf8 }

    @inlinable
    public var isEmpty: Bool { string.isEmpty }

    /// The first `count` bytes, less a scalar that is cut: for messages to people.
    public func prefix(_ count: Int) -> String {
        guard utf8.count > count else { return string }
        var end = utf8.index(utf8.startIndex, offsetBy: count)
        while utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(string[..<end])
    }

    @inlinable
    public static func == (a: Self, b: Self) -> Bool {
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

    @inlinable
    public func hash(into hasher: inout Hasher) {
        // Safety: the bytes are valid during the call.
        let isDone: Void? = unsafe string.utf8.withContiguousStorageIfAvailable {
            unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isDone == nil { for byte in string.utf8 { hasher.combine(byte) } }
        // Not in UTF-8: where this string ends, and the next of several begins.
        hasher.combine(0xFF as UInt8)
    }
}

extension ExactString: ExpressibleByStringInterpolation {
    @inlinable
    public init(stringLiteral value: String) { string = value }
}

extension ExactString: CustomStringConvertible {
    public var description: String { string }
}

extension Sequence<ExactString> {
    package func joined(separator: String) -> String {
        map(\.string).joined(separator: separator)
    }
}
