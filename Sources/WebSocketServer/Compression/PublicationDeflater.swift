/// Deflates what several subscribers of a loop are sent: by the server's own settings, whatever
/// their routes have, but for the level.
final class PublicationDeflater {
    // A loop's codecs outlive its topics.
    private unowned let codecs: LoopCodecs
    private var compression: Compression

    /// Of the publication at hand, 1…9.
    var level: Int {
        get { compression.level }
        set { compression.level = newValue }
    }

    init(_ compression: Compression, codecs: LoopCodecs) {
        self.compression = compression
        self.codecs = codecs
    }

    /// The bytes of a frame's payload, valid until the codecs' next call, or `nil` if it doesn't
    /// shrink.
    func deflate(
        _ payload: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer, windowBits: Int
    ) -> UnsafeRawBufferPointer? {
        let deflater = codecs.deflater(compression, windowBits: windowBits)
        return unsafe codecs.deflate(payload, by: deflater, after: history)
    }
}
