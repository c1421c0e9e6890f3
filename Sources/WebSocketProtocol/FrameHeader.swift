/// The wire form of a frame's header (RFC 6455 §5.2): sizes, bits, encoding.
@usableFromInline
package enum FrameHeader {
    /// FIN, the three reserved bits, and the opcode, as they stand in the first byte.
    @inlinable package static var fin: UInt8 { 0x80 }
    @inlinable package static var rsv1: UInt8 { 0x40 }
    @inlinable package static var reservedBits: UInt8 { 0x70 }
    @inlinable package static var opcodeBits: UInt8 { 0x0F }
    /// The mask bit of the second byte, and its 7-bit length.
    @inlinable package static var masked: UInt8 { 0x80 }
    @inlinable package static var lengthBits: UInt8 { 0x7F }
    /// A header's greatest size: two bytes, a 64-bit length and a masking key.
    package static let sizeMax = 14
    /// A control frame's payload is at most this (RFC 6455 §5.5).
    package static let controlPayloadMax = 125

    /// Bytes of a header for a payload of `length`, which is then encoded minimally.
    @inlinable @inline(__always)
    package static func size(payload length: Int, isMasked: Bool) -> Int {
        (length < 126 ? 2 : length <= 0xFFFF ? 4 : 10) &+ (isMasked ? 4 : 0)
    }

    /// Writes a header; returns its size. `firstByte` holds FIN, reserved bits and opcode.
    @inlinable @inline(__always)
    package static func encode(
        firstByte: UInt8, payload length: Int, maskingKey: UInt32?,
        to place: UnsafeMutableRawPointer
    ) -> Int {
        let maskBit: UInt8 = maskingKey == nil ? 0 : 0x80
        unsafe place.storeBytes(of: firstByte, as: UInt8.self)
        var size: Int
        if length < 126 {
            unsafe place.storeBytes(
                of: UInt8(truncatingIfNeeded: length) | maskBit, toByteOffset: 1, as: UInt8.self)
            size = 2
        } else if length <= 0xFFFF {
            unsafe place.storeBytes(of: 126 | maskBit, toByteOffset: 1, as: UInt8.self)
            unsafe place.storeBytes(
                of: UInt16(truncatingIfNeeded: length).bigEndian, toByteOffset: 2, as: UInt16.self)
            size = 4
        } else {
            unsafe place.storeBytes(of: 127 | maskBit, toByteOffset: 1, as: UInt8.self)
            unsafe place.storeBytes(of: UInt64(length).bigEndian, toByteOffset: 2, as: UInt64.self)
            size = 10
        }
        if let maskingKey {
            unsafe place.storeBytes(of: maskingKey, toByteOffset: size, as: UInt32.self)
            size &+= 4
        }
        return size
    }
}

/// A frame's kind (RFC 6455 §11.8).
@usableFromInline
@frozen
package enum Opcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10
}

/// What a message holds.
@frozen
public enum MessageKind: UInt8, Sendable, Hashable {
    /// UTF-8, checked.
    case text = 1
    case binary = 2
}
