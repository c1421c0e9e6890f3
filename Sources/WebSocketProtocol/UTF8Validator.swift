/// A validator of UTF-8 (RFC 3629) for text that arrives in pieces of any size.
///
/// It fails in the piece with the first invalid byte, never later: surrogates, overlong forms and
/// code points beyond U+10FFFF fail at their second byte (`E0 9F` at `9F`), as RFC 6455 §8.1
/// allows. After a failure every further piece fails, until ``reset()``. It has one byte of state;
/// zero is the initial state.
@frozen @usableFromInline
package struct UTF8Validator: Sendable {
    /// The state of the automaton (``UTF8Automaton``); 0 is a character boundary.
    @usableFromInline var state: UInt8

    @inlinable package init() { state = 0 }

    /// Whether the text so far ends at a character boundary. False after a failure.
    @inlinable package var isComplete: Bool { state == 0 }

    /// Returns to the initial state.
    @inlinable package mutating func reset() { state = 0 }

    /// Validates the next `count` bytes. Returns false if the text can't be UTF-8 with them.
    @inlinable @inline(__always)
    package mutating func validate(_ p: UnsafeRawPointer, count: Int) -> Bool {
        // Safety: the caller guarantees `count` bytes at `p`; both callees stay within them.
        if state == 0, count <= 32, unsafe UTF8Validator.isShortASCII(p, count: count) {
            return true
        }
        unsafe state = UTF8Automaton.run(p, count: count, from: state)
        return state != UTF8Automaton.rejected
    }

    /// Returns whether `count` bytes are complete UTF-8.
    @inlinable @inline(__always)
    package static func isValid(_ p: UnsafeRawPointer, count: Int) -> Bool {
        // Safety: as in `validate`.
        if count <= 32, unsafe isShortASCII(p, count: count) { return true }
        return unsafe UTF8Automaton.run(p, count: count, from: 0) == 0
    }

    /// Returns whether up to 32 bytes are all ASCII, without a loop: by overlapping words from both
    /// ends.
    @inlinable @inline(__always)
    static func isShortASCII(_ p: UnsafeRawPointer, count: Int) -> Bool {
        assert(count <= 32)
        let high: UInt64 = 0x8080_8080_8080_8080
        // Safety: each branch loads words that lie within `0 ..< count`.
        if count >= 16 {
            let head = unsafe p.loadUnaligned(as: SIMD2<UInt64>.self)
            let tail = unsafe p.loadUnaligned(fromByteOffset: count &- 16, as: SIMD2<UInt64>.self)
            let both = head | tail
            return (both[0] | both[1]) & high == 0
        }
        if count >= 8 {
            let head = unsafe p.loadUnaligned(as: UInt64.self)
            let tail = unsafe p.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            return (head | tail) & high == 0
        }
        if count >= 4 {
            let head = unsafe p.loadUnaligned(as: UInt32.self)
            let tail = unsafe p.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return (head | tail) & 0x8080_8080 == 0
        }
        if count == 0 { return true }
        let first = unsafe p.load(as: UInt8.self)
        let middle = unsafe p.load(fromByteOffset: count &>> 1, as: UInt8.self)
        let last = unsafe p.load(fromByteOffset: count &- 1, as: UInt8.self)
        return (first | middle | last) & 0x80 == 0
    }
}

/// The automaton behind ``UTF8Validator``: nine states, one shift for each byte, and no branch.
///
/// A state is a multiple of six. Each byte has a row, a 64-bit word whose six bits at the offset of
/// a state are the next state. So `next = row >> state`, where the shift uses only the lowest six
/// bits ("shift-based DFA"). `rejected` leads to itself with every byte.
@usableFromInline
enum UTF8Automaton {
    @usableFromInline static var rejected: UInt8 { 6 }

    /// The rows of all 256 bytes, created once and never freed.
    // Safety: they are never written after their creation, and a static is created only once.
    private nonisolated(unsafe) static let rows: UnsafePointer<UInt64> = {
        let rows = UnsafeMutablePointer<UInt64>.allocate(capacity: 256)
        for byte in 0...255 { unsafe (rows + byte).initialize(to: row(of: UInt8(byte))) }
        return unsafe UnsafePointer(rows)
    }()

    /// Returns the row of a byte, by the grammar of RFC 3629 §4.
    private static func row(of byte: UInt8) -> UInt64 {
        let boundary: UInt64 = 0, one: UInt64 = 12, two: UInt64 = 18, three: UInt64 = 24
        let afterE0: UInt64 = 30, afterED: UInt64 = 36, afterF0: UInt64 = 42, afterF4: UInt64 = 48
        let states = [boundary, 6, one, two, three, afterE0, afterED, afterF0, afterF4]
        var row = states.reduce(0) { $0 | UInt64(rejected) << $1 }
        func lead(from state: UInt64, to next: UInt64) {
            row = row & ~(63 << state) | next << state
        }
        switch byte {
        case 0x00...0x7F: lead(from: boundary, to: boundary)
        case 0xC2...0xDF: lead(from: boundary, to: one)
        case 0xE0: lead(from: boundary, to: afterE0)
        case 0xED: lead(from: boundary, to: afterED)
        case 0xE1...0xEF: lead(from: boundary, to: two)
        case 0xF0: lead(from: boundary, to: afterF0)
        case 0xF1...0xF3: lead(from: boundary, to: three)
        case 0xF4: lead(from: boundary, to: afterF4)
        case 0x80...0xBF:
            lead(from: one, to: boundary)
            lead(from: two, to: one)
            lead(from: three, to: two)
            // The narrower ranges of the second byte: no overlong form, no surrogate, nothing
            // beyond U+10FFFF.
            if byte >= 0xA0 { lead(from: afterE0, to: one) } else { lead(from: afterED, to: one) }
            if byte >= 0x90 { lead(from: afterF0, to: two) } else { lead(from: afterF4, to: two) }
        default: break  // C0, C1 and F5…FF are never valid.
        }
        return row
    }

    /// Returns the state after `count` more bytes. It may stop early after an invalid byte.
    @usableFromInline @inline(never)
    static func run(_ p: UnsafeRawPointer, count: Int, from start: UInt8) -> UInt8 {
        // Safety: the caller guarantees `count` bytes at `p`, and every block is checked to end
        // there at the latest.
        var offset = unsafe start == 0 ? asciiPrefix(p, count: count) : 0
        if offset == count { return start }
        let rows = unsafe Self.rows
        var state = UInt64(start)
        while offset &+ 64 <= count {
            if state & 63 == 0, unsafe isASCII64(p + offset) {
                offset &+= 64
                continue
            }
            unsafe state = step(rows, p + offset, count: 64, from: state)
            if state & 63 == UInt64(rejected) { return rejected }
            offset &+= 64
        }
        unsafe state = step(rows, p + offset, count: count &- offset, from: state)
        return UInt8(truncatingIfNeeded: state & 63)
    }

    /// Returns `count` if all bytes are ASCII, or else a number of leading bytes that are.
    @inline(__always)
    private static func asciiPrefix(_ p: UnsafeRawPointer, count: Int) -> Int {
        // Safety: blocks of 64 while they fit, with an overlapping last one; two blocks of 32 only
        // if there are at least 32 bytes.
        if count >= 64 {
            var offset = 0
            while offset &+ 64 <= count {
                guard unsafe isASCII64(p + offset) else { return offset }
                offset &+= 64
            }
            return unsafe isASCII64(p + (count &- 64)) ? count : offset
        }
        guard count >= 32 else { return 0 }
        let head = unsafe p.loadUnaligned(as: SIMD4<UInt64>.self)
        let tail = unsafe p.loadUnaligned(fromByteOffset: count &- 32, as: SIMD4<UInt64>.self)
        return isASCII(head | tail) ? count : 0
    }

    /// Returns whether the 64 bytes at `p` are ASCII.
    @inline(__always)
    private static func isASCII64(_ p: UnsafeRawPointer) -> Bool {
        // Safety: the caller guarantees 64 bytes.
        let block = unsafe p.loadUnaligned(as: SIMD8<UInt64>.self)
        return isASCII(block.lowHalf | block.highHalf)
    }

    @inline(__always)
    private static func isASCII(_ block: SIMD4<UInt64>) -> Bool {
        let half = block.lowHalf | block.highHalf
        return (half[0] | half[1]) & 0x8080_8080_8080_8080 == 0
    }

    /// Advances through some 64 bytes, over ASCII by words of eight.
    @inline(__always)
    private static func step(
        _ rows: UnsafePointer<UInt64>, _ p: UnsafeRawPointer, count: Int, from start: UInt64
    ) -> UInt64 {
        var state = start
        var offset = 0
        // Safety: as in `run`. A row index is one byte, and there are 256 rows.
        while offset &+ 8 <= count {
            let word = unsafe UInt64(
                littleEndian: p.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset &+= 8
            if word & 0x8080_8080_8080_8080 == 0, state & 63 == 0 { continue }
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                unsafe state = rows[Int((word &>> shift) & 0xFF)] &>> state
            }
        }
        while offset < count {
            let byte = unsafe p.load(fromByteOffset: offset, as: UInt8.self)
            unsafe state = rows[Int(byte)] &>> state
            offset &+= 1
        }
        return state
    }
}
