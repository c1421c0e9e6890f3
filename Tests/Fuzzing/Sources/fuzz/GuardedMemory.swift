import Foundation

/// Memory followed by an inaccessible page, which stops even code without AddressSanitizer, such as
/// a system library's.
final class GuardedMemory {
    let bytes: UnsafeMutableRawBufferPointer
    private let start: UnsafeMutableRawPointer
    private let size: Int

    init(_ count: Int) {
        let page = Int(getpagesize())
        size = (count + page - 1) / page * page + page
        start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let end = start + (size - page)
        guard start != MAP_FAILED, mprotect(end, page, PROT_NONE) == 0 else { fail("no memory") }
        bytes = UnsafeMutableRawBufferPointer(start: end - count, count: count)
    }

    convenience init(_ bytes: some Collection<UInt8>) {
        self.init(bytes.count)
        self.bytes.copyBytes(from: bytes)
    }

    deinit { munmap(start, size) }

    var readOnly: UnsafeRawBufferPointer { UnsafeRawBufferPointer(bytes) }
}

/// Random numbers from the bytes of an input, two for each, while there are any.
struct FuzzChoices: RandomNumberGenerator {
    private var bytes: ArraySlice<UInt8>
    private var others: SeededGenerator

    init(_ input: FuzzInput) {
        bytes = input.rest[...]
        others = input.generator
    }

    var isEmpty: Bool { bytes.isEmpty }

    mutating func next() -> UInt64 {
        guard let high = bytes.popFirst() else { return others.next() }
        // The high bits decide. The low ones are set, so that the number isn't rejected for
        // fairness.
        return UInt64(high) << 56 | UInt64(bytes.popFirst() ?? 0) << 48 | 0x8000_0000_0000
    }

    mutating func number(in range: ClosedRange<Int>) -> Int { .random(in: range, using: &self) }

    /// Returns the next bytes unchanged.
    mutating func take(_ count: Int) -> [UInt8] {
        defer { bytes = bytes.dropFirst(count) }
        return Array(bytes.prefix(count))
    }
}
