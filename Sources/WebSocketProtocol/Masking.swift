/// The masking of payloads from clients to servers (RFC 6455 §5.3): XOR with a repeated key of four
/// bytes. Unmasking is the same operation.
///
/// A key has the four bytes of the wire in memory order, as `loadUnaligned` returns them. `phase`
/// is the number of payload bytes of the frame that came before; only its lowest two bits matter.
/// Sizes are in bytes. Pointers may have any alignment. Nothing outside `0 ..< count` is accessed.
///
/// Short runs have no loop: the first and the last word together cover all bytes. Both are loaded
/// before either is stored, so bytes in both are masked only once.
// Workaround: without `@usableFromInline` on the type, Swift 6.3 silently doesn't inline the
// `@inlinable` members of a `package` type into other modules.
@usableFromInline
package enum Masking {
    /// Masks or unmasks `count` bytes in place.
    @inlinable @inline(__always)
    package static func unmask(
        _ p: UnsafeMutableRawPointer, count: Int, key: UInt32, phase: Int
    ) {
        // Safety: the caller guarantees `count` bytes at `p`; source and target are the same.
        unsafe unmask(from: UnsafeRawPointer(p), to: p, count: count, key: key, phase: phase)
    }

    /// Masks or unmasks `count` bytes from one place to another. They may be the same, or overlap
    /// if `target` lies before `source`.
    @inlinable @inline(__always)
    package static func unmask(
        from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int,
        key: UInt32, phase: Int
    ) {
        let key = advance(key, by: phase)
        // Safety: each function is called with the counts it is for, and the caller guarantees
        // `count` bytes at both pointers.
        if count > 32 {
            unsafe unmaskLong(from: source, to: target, count: count, key: key)
        } else if count > 16 {
            unsafe unmaskEnds(from: source, to: target, count: count, key: key)
        } else if count >= 8 {
            unsafe unmaskEnds(
                from: source, to: target, count: count,
                first: double(key), last: double(advance(key, by: count)))
        } else if count >= 4 {
            unsafe unmaskEnds(
                from: source, to: target, count: count,
                first: key, last: advance(key, by: count))
        } else if count > 0 {
            unsafe unmaskTiny(from: source, to: target, count: count, key: key)
        }
    }

    /// Returns the key as it applies `count` bytes later. That is also the key for the last word of
    /// `count` bytes, because the size of a word is a multiple of four.
    @inlinable @inline(__always)
    static func advance(_ key: UInt32, by count: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: count) &* 8
        #if _endian(little)
            return (key &>> bits) | (key &<< (0 &- bits))
        #else
            return (key &<< bits) | (key &>> (0 &- bits))
        #endif
    }

    @inlinable @inline(__always)
    static func double(_ key: UInt32) -> UInt64 { UInt64(key) &* 0x1_0000_0001 }

    /// Masks one to two words: the first and the last, which may overlap.
    @inlinable @inline(__always)
    static func unmaskEnds<Word: FixedWidthInteger & BitwiseCopyable>(
        from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int,
        first firstKey: Word, last lastKey: Word
    ) {
        let lastOffset = count &- MemoryLayout<Word>.size
        assert(0...MemoryLayout<Word>.size ~= lastOffset)
        // Safety: `count` is at least a word, so both words end at `count` at the latest.
        let first = unsafe source.loadUnaligned(as: Word.self)
        let last = unsafe source.loadUnaligned(fromByteOffset: lastOffset, as: Word.self)
        unsafe target.storeBytes(of: first ^ firstKey, as: Word.self)
        unsafe target.storeBytes(of: last ^ lastKey, toByteOffset: lastOffset, as: Word.self)
    }

    /// Masks 16 to 32 bytes: the first 16 and the last 16, which may overlap.
    @inlinable @inline(__always)
    static func unmaskEnds(
        from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, key: UInt32
    ) {
        let lastOffset = count &- 16
        assert(0...16 ~= lastOffset)
        let lastKey = SIMD4(repeating: advance(key, by: count))
        // Safety: `count` is at least 16, so both blocks end at `count` at the latest.
        let first = unsafe source.loadUnaligned(as: SIMD4<UInt32>.self)
        let last = unsafe source.loadUnaligned(fromByteOffset: lastOffset, as: SIMD4<UInt32>.self)
        unsafe target.storeBytes(of: first ^ SIMD4(repeating: key), as: SIMD4<UInt32>.self)
        unsafe target.storeBytes(
            of: last ^ lastKey, toByteOffset: lastOffset, as: SIMD4<UInt32>.self)
    }

    /// Masks one to three bytes: the first, the middle and the last.
    @inlinable @inline(__always)
    static func unmaskTiny(
        from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, key: UInt32
    ) {
        assert((1...3).contains(count))
        let middle = count &>> 1
        let last = count &- 1
        // Safety: the three offsets are in `0 ..< count`, and all loads come before the stores.
        let a = unsafe source.load(as: UInt8.self) ^ keyByte(key, at: 0)
        let b =
            unsafe source.load(fromByteOffset: middle, as: UInt8.self)
            ^ keyByte(key, at: middle)
        let c = unsafe source.load(fromByteOffset: last, as: UInt8.self) ^ keyByte(key, at: last)
        unsafe target.storeBytes(of: a, as: UInt8.self)
        unsafe target.storeBytes(of: b, toByteOffset: middle, as: UInt8.self)
        unsafe target.storeBytes(of: c, toByteOffset: last, as: UInt8.self)
    }

    @inlinable @inline(__always)
    static func keyByte(_ key: UInt32, at index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: UInt32(littleEndian: advance(key, by: index)))
    }

    /// Masks more than 32 bytes: blocks of 64, then of 16, then the last 16, which may overlap.
    @usableFromInline @inline(never)
    static func unmaskLong(
        from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, key: UInt32
    ) {
        assert(count > 32)
        let lastOffset = count &- 16
        // Safety: `count` is more than 16, and every block ends at `count` at the latest. The last
        // block is loaded before anything is stored, so no byte is masked twice.
        let last =
            unsafe source.loadUnaligned(fromByteOffset: lastOffset, as: SIMD4<UInt32>.self)
            ^ SIMD4(repeating: advance(key, by: count))
        let wideKey = SIMD16<UInt32>(repeating: key)
        var offset = 0
        while offset &+ 64 <= count {
            let block = unsafe source.loadUnaligned(
                fromByteOffset: offset, as: SIMD16<UInt32>.self)
            unsafe target.storeBytes(
                of: block ^ wideKey, toByteOffset: offset, as: SIMD16<UInt32>.self)
            offset &+= 64
        }
        while offset < lastOffset {
            let block = unsafe source.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt32>.self)
            unsafe target.storeBytes(
                of: block ^ SIMD4(repeating: key), toByteOffset: offset, as: SIMD4<UInt32>.self)
            offset &+= 16
        }
        unsafe target.storeBytes(of: last, toByteOffset: lastOffset, as: SIMD4<UInt32>.self)
    }
}
