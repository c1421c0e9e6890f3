import WebSocketProtocol

/// A frame that is ready to be written and shared by all connections that are sent it; immutable.
// Safety: the bytes are the publication's, which is retained, or this object's own.
@safe
@usableFromInline
package final class SharedFrame {
    package let isCompressed: Bool
    /// The number of bytes of the publication's payload, before compression.
    @usableFromInline package let payloadCount: Int
    /// The header and payload; valid as long as the frame is retained.
    @usableFromInline package let bytes: UnsafeRawBufferPointer
    /// The owner of the bytes, if that isn't the frame itself.
    private let publication: Publication?

    /// Creates the publication's uncompressed frame.
    init(_ publication: Publication) {
        isCompressed = false
        payloadCount = publication.payloadCount
        unsafe bytes = unsafe publication.frame
        self.publication = publication
    }

    /// Creates the publication's frame with a compressed payload, which is copied.
    init(_ publication: Publication, compressed: UnsafeRawBufferPointer) {
        isCompressed = true
        payloadCount = publication.payloadCount
        self.publication = nil
        let size = FrameHeader.size(payload: compressed.count, isMasked: false)
        // Safety: there is room for the header and the payload, and nothing else is written; a
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
