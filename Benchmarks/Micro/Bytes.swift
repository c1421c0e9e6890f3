import WebSocketProtocol

/// The cases of masking in place, each time with another key.
let maskingCases = [20, 125, 1_024, 65_536].map { size in
    MicroCase(name: "mask-\(size)", times: size > 10_000 ? 200 : 20_000) { times in
        var payload = Sample.bytes(size)
        return payload.withUnsafeMutableBytes { bytes in
            for index in 0..<times {
                Masking.unmask(
                    bytes.baseAddress!, count: bytes.count,
                    key: UInt32(truncatingIfNeeded: index &* 0x9E37_79B1), phase: 0)
            }
            return Int(bytes[0]) + Int(bytes[size - 1])
        }
    }
}

/// The cases of validating UTF-8: only ASCII, and with longer characters.
let textCases =
    [20, 1_024, 65_536].map { textCase("ascii", size: $0, Sample.ascii) }
    + [20, 1_024, 65_536].map { textCase("mixed", size: $0, Sample.mixedText) }

private func textCase(
    _ kind: String, size: Int, _ sample: @escaping @Sendable (Int) -> [UInt8]
) -> MicroCase {
    MicroCase(name: "utf8-\(kind)-\(size)", times: size > 10_000 ? 200 : 20_000) { times in
        let text = sample(size)
        let valid = text.withUnsafeBytes { bytes in
            (0..<times).count { _ in
                UTF8Validator.isValid(bytes.baseAddress!, count: bytes.count)
            }
        }
        precondition(valid == times, "a valid text was refused")
        return valid
    }
}

/// The cases of a server's session that receives reads: parsing, unmasking, validating text.
let sessionCases = [
    sessionCase(frames: 16, size: 20, isText: false),
    sessionCase(frames: 16, size: 20, isText: true),
    sessionCase(frames: 1, size: 20, isText: false),
    sessionCase(frames: 1, size: 1_024, isText: false),
    sessionCase(frames: 1, size: 1_024, isText: true),
    sessionCase(frames: 1, size: 65_536, isText: false),
]

/// Returns a case of the session. Each read is copied first, because the session unmasks in place;
/// the copy counts too.
private func sessionCase(frames: Int, size: Int, isText: Bool) -> MicroCase {
    let name = "frames-\(frames)x\(size)-\(isText ? "text" : "binary")"
    return MicroCase(name: name, times: size > 10_000 ? 200 : 5_000) { times in
        let wire = (0..<frames).flatMap { frame($0, size: size, isText: isText) }
        let limits = SessionLimits(
            frameSizeMax: 1 << 20, messageSizeMax: 1 << 20, fragmentsMax: 64)
        var session = Session(role: .server, limits: limits)
        var sink = CountingSink()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wire.count, alignment: 16)
        defer { buffer.deallocate() }
        for _ in 0..<times {
            buffer.copyBytes(from: wire)
            let action = session.receive(buffer.baseAddress!, count: wire.count, into: &sink)
            precondition(action == .proceed)
        }
        precondition(sink.messages == times * frames && sink.bytes == times * frames * size)
        return sink.sum
    }
}

/// Returns a masked client frame (RFC 6455 §5.2).
private func frame(_ index: Int, size: Int, isText: Bool) -> [UInt8] {
    let key: [UInt8] = [0x37, 0xFA, 0x21, UInt8(truncatingIfNeeded: index)]
    var bytes: [UInt8] = [isText ? 0x81 : 0x82]
    switch size {
    case ..<126: bytes.append(0x80 | UInt8(size))
    case ..<65_536: bytes += [0x80 | 126, UInt8(size >> 8), UInt8(size & 0xFF)]
    default:
        bytes.append(0x80 | 127)
        bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) }
    }
    let payload = isText ? Sample.ascii(size) : Sample.bytes(size)
    return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
}

/// A sink that looks at one byte of each message.
private struct CountingSink: SessionSink, ~Copyable {
    var messages = 0
    var bytes = 0
    var sum = 0
    var wantsMessages: Bool { true }

    mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind) {
        messages += 1
        bytes += payload.count
        sum += Int(payload[payload.count - 1])
    }

    mutating func ping(_ payload: UnsafeRawBufferPointer) {}
    mutating func pong(_ payload: UnsafeRawBufferPointer) {}

    mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int) -> Bool {
        // Reads hold whole frames, so no fragments are put together.
        false
    }

    mutating func release(_ buffer: inout AssemblyBuffer) {}
}
