import WebSocketServer

/// The encoding of a publication in a Redis channel: a header before the payload.
///
///     4 bytes   A9 "aps", which begins no UTF-8 text
///     1 byte    version, 1
///     1 byte    kind: 1 text, 2 binary; plus 0x80 if there is a key
///     2 bytes   length of the key in big-endian order, and the key, if there is one
///     …         the payload
///
/// Messages of other publishers have no envelope. The whole message is the payload: text if it is
/// UTF-8, otherwise binary.
enum Envelope {
    static let magic: [UInt8] = [0xA9, 0x61, 0x70, 0x73]
    static let version: UInt8 = 1
    static let keySizeMax = Int(UInt16.max)
    private static let keyFlag: UInt8 = 0x80

    /// Encodes a publication. Returns `nil` if the key is too long.
    static func encode(_ publication: Publication) -> [UInt8]? {
        let key = publication.key.map { Array($0.utf8) }
        guard key?.count ?? 0 <= keySizeMax else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + (key?.count ?? 0) + publication.payloadCount)
        bytes += magic
        bytes.append(version)
        bytes.append((publication.kind == .text ? 1 : 2) | (key == nil ? 0 : keyFlag))
        if let key {
            bytes.append(UInt8(key.count >> 8))
            bytes.append(UInt8(key.count & 0xFF))
            bytes += key
        }
        publication.withPayload { payload in
            // Safety: the payload is valid while it is copied.
            unsafe payload.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    /// Decodes a message from a channel. Returns `nil` for an envelope of another version, and for
    /// one that declares text but isn't UTF-8: no client may receive either.
    static func decode(_ bytes: RawSpan, topic: String) -> Publication? {
        guard bytes.byteCount >= magic.count,
            magic.indices.allSatisfy({ bytes[$0] == magic[$0] })
        else {
            return Publication(
                bytes, as: isUTF8(bytes) ? .text : .binary, to: topic)
        }
        guard bytes.byteCount >= 6, bytes[4] == version else { return nil }
        let kind: MessageKind
        switch bytes[5] & ~keyFlag {
        case 1: kind = .text
        case 2: kind = .binary
        default: return nil
        }
        var start = 6
        var key: String?
        if bytes[5] & keyFlag != 0 {
            guard bytes.byteCount >= 8 else { return nil }
            let count = Int(bytes[6]) << 8 | Int(bytes[7])
            start = 8 + count
            guard bytes.byteCount >= start else { return nil }
            // Safety: the bytes are valid while they are copied.
            let text = unsafe bytes.extracting(8..<start).withUnsafeBytes {
                unsafe String(validating: $0, as: UTF8.self)
            }
            guard let text else { return nil }
            key = text
        }
        let payload = bytes.extracting(start...)
        if kind == .text, !isUTF8(payload) { return nil }
        return Publication(payload, as: kind, to: topic, key: key)
    }

    private static func isUTF8(_ bytes: RawSpan) -> Bool {
        (try? UTF8Span(validating: Span<UInt8>(_bytes: bytes))) != nil
    }
}

extension RawSpan {
    fileprivate subscript(index: Int) -> UInt8 {
        // Safety: `byteOffset` is checked; any byte is a UInt8.
        unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
    }
}
