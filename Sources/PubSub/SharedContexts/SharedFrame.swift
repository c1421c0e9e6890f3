import WebSocketProtocol

/// A frame ready to be written, shared by all connections that get it; it never changes.
// Safety: the bytes are the publication's, which is kept, or this object's own.
@safe
package final class SharedFrame {
    package let isCompressed: Bool
    /// Bytes of the publication's payload, before it was compressed.
    package let payloadCount: Int
    /// Header and payload; valid as long as the frame is kept.
    package let bytes: UnsafeRawBufferPointer
    /// Whose bytes they are, if not its own.
    private let publication: Publication?

    /// The publication as it is.
    init(_ publication: Publication) {
        isCompressed = false
        payloadCount = publication.payloadCount
        unsafe bytes = unsafe publication.frame
        self.publication = publication
    }

    /// The publication with another payload, which is copied.
    init(_ publication: Publication, compressed: UnsafeRawBufferPointer) {
        isCompressed = true
        payloadCount = publication.payloadCount
        self.publication = nil
        let size = FrameHeader.size(payload: compressed.count, isMasked: false)
        // Safety: there is room for the header and the payload, which are all that is written; a
        // compressed payload is never empty.
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: size + compressed.count, alignment: 1)
        let base = memory.baseAddress!
        _ = unsafe FrameHeader.encode(
            firstByte: FrameHeader.fin | FrameHeader.rsv1 | publication.kind.rawValue,
            payload: compressed.count, maskingKey: nil, to: base)
        unsafe (base + size).copyMemory(
            from: compressed.baseAddress!, byteCount: compressed.count)
        unsafe bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { if publication == nil { unsafe bytes.deallocate() } }

    package var count: Int { unsafe bytes.count }
}
