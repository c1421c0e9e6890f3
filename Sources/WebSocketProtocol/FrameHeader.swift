/// The wire format of a frame's header (RFC 6455 §5.2).
@usableFromInline
package enum FrameHeader {
    /// The FIN bit, the three reserved bits and the opcode in the first byte.
    @inlinable package static var fin: UInt8 { 0x80 }
    @inlinable package static var rsv1: UInt8 { 0x40 }
    @inlinable package static var reservedBits: UInt8 { 0x70 }
    @inlinable package static var opcodeBits: UInt8 { 0x0F }
    /// The mask bit and the 7-bit length in the second byte.
    @inlinable package static var masked: UInt8 { 0x80 }
    @inlinable package static var lengthBits: UInt8 { 0x7F }
    /// The largest size of a header: two bytes, a 64-bit length and a masking key.
    package static let sizeMax = 14
    /// The largest payload of a control frame (RFC 6455 §5.5).
    package static let controlPayloadMax = 125

    /// Returns the size of a header for a payload of `length`, in the shortest encoding.
    @inlinable @inline(__always)
    package static func size(payload length: Int, isMasked: Bool) -> Int {
        (length < 126 ? 2 : length <= 0xFFFF ? 4 : 10) &+ (isMasked ? 4 : 0)
    }

    /// Writes a header and returns its size. `firstByte` has FIN, the reserved bits and the opcode.
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

/// The kind of a frame (RFC 6455 §11.8).
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

/// The kind of a message.
@frozen
public enum MessageKind: UInt8, Sendable, Hashable {
    /// Text, validated as UTF-8.
    case text = 1
    /// Any bytes.
    case binary = 2
}
