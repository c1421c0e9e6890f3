import Testing
import WebSocketServer
import LiveTesting

@testable import RedisBroker

@Suite struct EnvelopeTests {
    private func decode(_ bytes: [UInt8]) -> Publication? {
        Envelope.decode(bytes.span.bytes, topic: "t")
    }

    @Test("A decoded publication equals the encoded one, whatever its kind, key and bytes")
    func roundTrip() throws {
        var random = SplitMix(1)
        for round in 0..<2_000 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<Int.random(in: 0...40, using: &random)).map { _ in
                        Unicode.Scalar(UInt32.random(in: 0...0xD7FF, using: &random))!
                    }))
            let key: String? = [nil, "", text][round % 3]
            let bytes: [UInt8] =
                round % 2 == 0
                ? Array(text.utf8)
                : (0..<round % 300).map { _ in .random(in: 0...255, using: &random) }
            let publication = Publication(
                bytes.span.bytes, as: round % 2 == 0 ? .text : .binary, to: "topic", key: key)
            let envelope = try #require(Envelope.encode(publication))
            let decoded = try #require(decode(envelope))
            #expect(decoded.kind == publication.kind && decoded.topic == "t")
            #expect(decoded.key == key && decoded.bytes == bytes)
        }
    }

    @Test("Any bytes are a publication or none, and text is UTF-8")
    func anyBytes() throws {
        var random = SplitMix(2)
        for round in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            // Most bytes resemble an envelope.
            if round % 4 != 0 {
                let head: [UInt8] = Envelope.magic + [1, [1, 2, 0x81, 0x82][round / 4 % 4], 0]
                bytes = head.prefix(Int.random(in: 0...head.count, using: &random)) + bytes
            }
            guard let publication = decode(bytes) else {
                #expect(bytes.starts(with: Envelope.magic))
                continue
            }
            if publication.kind == .text {
                #expect(String(validating: publication.bytes, as: UTF8.self) != nil)
            }
            if bytes.starts(with: Envelope.magic) {
                // The encoded result equals the bytes that were read.
                #expect(Envelope.encode(publication) == bytes)
            } else {
                #expect(publication.bytes == bytes && publication.key == nil)
            }
        }
    }

    @Test("Messages of other publishers are text if they are UTF-8")
    func foreign() throws {
        for (bytes, kind) in [
            (Array("hello".utf8), MessageKind.text), ([], .text), ([0xFF], .binary),
            ([0xC3], .binary), (Array("\u{FEFF}ü\0".utf8), .text), ([0xA9], .binary),
        ] as [([UInt8], MessageKind)] {
            let publication = try #require(decode(bytes))
            #expect(publication.kind == kind && publication.bytes == bytes)
        }
    }

    @Test("Envelopes of other versions and kinds, truncated ones and invalid text are refused")
    func others() {
        let magic = Envelope.magic
        for bytes in [
            magic, magic + [1], magic + [2, 1], magic + [1, 0], magic + [1, 3], magic + [1, 0x81],
            magic + [1, 0x81, 0], magic + [1, 0x81, 0, 1], magic + [1, 0x81, 0, 1, 0xFF],
            magic + [1, 1, 0xFF],
        ] {
            #expect(decode(bytes) == nil)
        }
    }

    @Test("A key that is too long isn't encoded")
    func longKey() {
        for (size, fits) in [(Envelope.keySizeMax, true), (Envelope.keySizeMax + 1, false)] {
            let publication = Publication(
                [UInt8]().span.bytes, as: .text, to: "t",
                key: String(repeating: "k", count: size))
            #expect((Envelope.encode(publication) != nil) == fits)
        }
    }
}
