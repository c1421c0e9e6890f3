import WebSocketProtocol

/// A frame ready to be written, shared by all connections that get it; it never changes.
final class SharedFrame {
    let isCompressed: Bool
    /// Bytes of the publication's payload, before it was compressed.
    let payloadCount: Int
    private let storage: [UInt8]

    /// The publication as it is.
    init(_ publication: Publication) {
        isCompressed = false
        payloadCount = publication.payloadCount
        storage = publication.frame
    }

    /// The publication with another payload, which is copied.
    init(_ publication: Publication, compressed: UnsafeRawBufferPointer) {
        isCompressed = true
        payloadCount = publication.payloadCount
        let size = FrameHeader.size(payload: compressed.count, isMasked: false)
        storage = unsafe [UInt8](unsafeUninitializedCapacity: size + compressed.count) {
            storage, count in
            // Safety: there is room for the header and the payload, which are all that is written;
            // a compressed payload is never empty.
            let base = UnsafeMutableRawPointer(storage.baseAddress!)
            _ = unsafe FrameHeader.encode(
                firstByte: FrameHeader.fin | FrameHeader.rsv1 | publication.kind.rawValue,
                payload: compressed.count, maskingKey: nil, to: base)
            unsafe (base + size).copyMemory(
                from: compressed.baseAddress!, byteCount: compressed.count)
            count = size + compressed.count
        }
    }

    /// Header and payload; valid as long as the frame is kept.
    // Safety: an array's elements stay where they are until it is changed, and this one never is.
    var bytes: UnsafeRawBufferPointer { unsafe storage.withUnsafeBytes { unsafe $0 } }

    var count: Int { storage.count }
}
