/// The way in which publications are compressed for a subscriber.
@usableFromInline
package enum EncodingMode: UInt8, CaseIterable, Sendable {
    /// Not at all.
    case plain
    /// By frames that refer to no earlier data, the same for all.
    case standalone
    /// By frames that refer to earlier publications, the same for all with the same context.
    case shared
    /// By the connection's own context.
    case ownContext
}

/// A set of modes.
@usableFromInline
package struct EncodingModes: Equatable, Sendable {
    @usableFromInline var bits: UInt8

    package static let none = EncodingModes(bits: 0)
    package static let allButOwnContext = EncodingModes(bits: 0b0111)

    @inlinable @inline(__always)
    package func contains(_ mode: EncodingMode) -> Bool { bits & 1 << mode.rawValue != 0 }

    mutating func remove(_ mode: EncodingMode) { bits &= ~(1 << mode.rawValue) }
}
