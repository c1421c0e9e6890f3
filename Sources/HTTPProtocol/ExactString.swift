public import Glibc

/// A text that is compared and hashed by its UTF-8 bytes. Texts from a peer are kept in this type,
/// and never compared, hashed or iterated as a `String`.
///
/// `String` compares and hashes by canonical equivalence. For that, it sorts combining marks, in
/// time that grows with the square of their number: a single message of less than half a megabyte
/// could block an event loop for more than a minute. Besides, "é" as one scalar and "é" as two
/// would be one topic here, but two channels of a broker that compares bytes.
public struct ExactString: Hashable, Sendable {
    /// The text, for output and for APIs that need a `String`. Don't compare it.
    public let string: String

    /// Creates a text that is compared by its bytes.
    @inlinable
    public init(_ string: String) { self.string = string }

    /// Copies UTF-8. Returns `nil` if the bytes are invalid.
    public init?(validating bytes: some Sequence<UInt8>) {
        guard let string = String(validating: bytes, as: UTF8.self) else { return nil }
        self.string = string
    }

    /// The UTF-8 bytes.
    @inlinable
    public var utf8: String.UTF8View { string.utf8 }

    /// Whether there are no bytes.
    @inlinable
    public var isEmpty: Bool { string.isEmpty }

    /// Returns the first `count` bytes without an incomplete scalar at their end. For messages to
    /// people.
    public func prefix(_ count: Int) -> String {
        guard utf8.count > count else { return string }
        var end = utf8.index(utf8.startIndex, offsetBy: count)
        while utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(string[..<end])
    }

    @inlinable
    public static func == (a: Self, b: Self) -> Bool {
        // Native Swift strings are contiguous, so this is one comparison of memory.
        let same = unsafe a.string.utf8.withContiguousStorageIfAvailable { a in
            unsafe b.string.utf8.withContiguousStorageIfAvailable { b in
                // Safety: both sides have as many bytes as are compared.
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
        // A byte that UTF-8 never contains: it separates this string from the next one in the hash.
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
