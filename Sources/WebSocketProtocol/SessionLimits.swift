/// The limits on what a session's peer may send. Many sessions share one object.
// Safety: it owns the values. Only `raise(to:)` changes them, on an object that only one session
// has.
@safe
@usableFromInline
package final class SessionLimits: @unchecked Sendable {
    @usableFromInline
    struct Values {
        /// The size of a frame's payload, the size of a message's, and the frames of a message.
        @usableFromInline var frameSizeMax: Int
        @usableFromInline var messageSizeMax: Int
        @usableFromInline var fragmentsMax: Int?
    }

    /// The values, behind a pointer: they are read for every message by another module, which must
    /// not cost an exclusivity check.
    @usableFromInline let values: UnsafeMutablePointer<Values>

    /// Creates limits.
    ///
    /// - Parameter fragmentsMax: The frames of a message. `nil` lets the number grow with the
    ///   message: 1,024, plus one for every 128 bytes.
    package convenience init(frameSizeMax: Int, messageSizeMax: Int, fragmentsMax: Int?) {
        self.init(
            Values(
                frameSizeMax: min(frameSizeMax, messageSizeMax), messageSizeMax: messageSizeMax,
                fragmentsMax: fragmentsMax))
    }

    private init(_ values: Values) {
        unsafe self.values = .allocate(capacity: 1)
        unsafe self.values.initialize(to: values)
    }

    deinit { unsafe values.deallocate() }

    package var frameSizeMax: Int { unsafe values.pointee.frameSizeMax }
    package var messageSizeMax: Int { unsafe values.pointee.messageSizeMax }

    /// Returns the number of frames that a message may have had when `received` bytes have arrived.
    package func fragmentsMax(received: Int) -> Int {
        unsafe values.pointee.fragmentsMax ?? 1_024 + received >> 7
    }

    /// Returns a copy for a single session.
    package func copy() -> SessionLimits { unsafe SessionLimits(values.pointee) }

    /// Takes over the values of other limits, from the next frame on.
    package func raise(to others: SessionLimits) {
        unsafe values.pointee = unsafe others.values.pointee
    }

    /// The limit for a compressed message. A message that doesn't shrink may grow by the headers of
    /// stored blocks, and still fit when decompressed. With the lowest memory level of zlib, these
    /// are 5 bytes for every 127.
    var compressedMessageSizeMax: Int { messageSizeMax + messageSizeMax >> 4 + 64 }
    var compressedFrameSizeMax: Int {
        frameSizeMax == messageSizeMax ? compressedMessageSizeMax : frameSizeMax
    }
}
