/// What one session's peer may send; shared by many sessions.
// Safety: it owns the values. Only `raise(to:)` changes them, and that is for an object that one
// session has alone.
@safe
@usableFromInline
package final class SessionLimits: @unchecked Sendable {
    @usableFromInline
    struct Values {
        /// Bytes of a frame's payload, of a message's, and frames in a message.
        @usableFromInline var frameSizeMax: Int
        @usableFromInline var messageSizeMax: Int
        @usableFromInline var fragmentsMax: Int?
    }

    /// Behind a pointer: read for every message, from another module, without an exclusivity check.
    @usableFromInline let values: UnsafeMutablePointer<Values>

    /// - Parameter fragmentsMax: `nil` lets a message come in as many frames as its size is worth:
    ///   1,024, and one more for each 128 bytes of it.
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

    /// The number of frames in which a message may have come when `received` bytes of it have.
    package func fragmentsMax(received: Int) -> Int {
        unsafe values.pointee.fragmentsMax ?? 1_024 + received >> 7
    }

    /// A copy that one session has alone.
    package func copy() -> SessionLimits { unsafe SessionLimits(values.pointee) }

    /// Takes the values of others, from the next frame on.
    package func raise(to others: SessionLimits) {
        unsafe values.pointee = unsafe others.values.pointee
    }

    /// The same limits for a message that comes compressed: what doesn't shrink may grow by the
    /// headers of stored blocks, and would fit when inflated. With zlib's least memory those are 5
    /// bytes for each 127.
    var compressedMessageSizeMax: Int { messageSizeMax + messageSizeMax >> 4 + 64 }
    var compressedFrameSizeMax: Int {
        frameSizeMax == messageSizeMax ? compressedMessageSizeMax : frameSizeMax
    }
}
