/// A compressor of publications for several subscribers of a loop. It uses the server's own
/// settings, except for the level, which the subscribers' routes may set.
final class PublicationDeflater {
    // A loop's codecs outlive its topics.
    private unowned let codecs: LoopCodecs
    var compression: Compression

    init(_ compression: Compression, codecs: LoopCodecs) {
        self.compression = compression
        self.codecs = codecs
    }

    /// Returns the bytes of a frame's payload, valid until the codecs' next call, or `nil` if the
    /// payload doesn't shrink. See `SharedContexts.Deflate`.
    func deflate(
        _ payload: UnsafeRawBufferPointer, _ history: UnsafeRawBufferPointer, _ windowBits: Int,
        _ level: Int
    ) -> UnsafeRawBufferPointer? {
        compression.level = level
        let deflater = codecs.deflater(compression, windowBits: windowBits)
        return unsafe codecs.deflate(payload, by: deflater, after: history)
    }
}
