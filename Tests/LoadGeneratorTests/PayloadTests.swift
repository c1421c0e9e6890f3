import Foundation
import Testing
import WebSocketProtocol

@testable import LoadGenerator

@Suite("Payloads of a load")
struct PayloadTests {
    private static let kinds: [PayloadKind] = [
        .json, .chat, .ticks, .logs, .binary, .file(PayloadFile(Array("one two three".utf8))),
    ]

    @Test(
        "Messages are the same every time, and have exactly the requested sizes", arguments: kinds)
    func deterministic(_ kind: PayloadKind) {
        let sizes = [0, 1, 7, 8, 20, 64, 219, 220, 1_024, 70_000]
        let messages = kind.messages(sizes: sizes, count: 20)
        #expect(messages.map(\.count) == sizes + sizes)
        #expect(messages == kind.messages(sizes: sizes, count: 20))
    }

    @Test("Messages differ from one another", arguments: kinds.dropLast())
    func distinct(_ kind: PayloadKind) {
        #expect(Set(kind.messages(sizes: [256], count: 100)).count == 100)
    }

    @Test("JSON is valid at every size", arguments: 1...700)
    func json(_ size: Int) throws {
        for message in PayloadKind.json.messages(sizes: [size], count: 8) {
            _ = try JSONSerialization.jsonObject(
                with: Data(message), options: [.fragmentsAllowed])
        }
    }

    @Test("Text is ASCII, random bytes are sent as binary", arguments: kinds)
    func text(_ kind: PayloadKind) {
        #expect(kind.isText == (kind != .binary))
        guard kind.isText else { return }
        #expect(kind.messages(sizes: [500], count: 4).joined().allSatisfy { $0 < 0x80 })
    }

    @Test(
        "JSON compresses to about a half, random bytes don't compress", arguments: [1_024, 16_384])
    func compressible(_ size: Int) {
        let json = FramePool(.json, sizes: [size], windowBits: 15, batch: 1)
        #expect(json.isCompressed)
        #expect(0.2...0.6 ~= json.frameSizeAverage / Double(size))
        #expect(!FramePool(.binary, sizes: [size], windowBits: 15, batch: 1).isCompressed)
    }
}

@Suite("The frames of a load")
struct FramePoolTests {
    /// Returns the payload of a masked frame, and its first byte.
    private func unmasked(_ frame: [UInt8]) -> (firstByte: UInt8, payload: [UInt8]) {
        #expect(frame[1] & 0x80 != 0)
        let header = [126: 4, 127: 10][Int(frame[1] & 0x7F)] ?? 2
        let key = frame[header..<header + 4].map { $0 }
        let payload = frame[(header + 4)...].enumerated().map { $1 ^ key[$0 % 4] }
        return (frame[0], payload)
    }

    @Test("Each frame contains its message", arguments: [1, 20, 125, 126, 65_535, 65_536])
    func plain(_ size: Int) {
        for kind in [PayloadKind.json, .binary] {
            let pool = FramePool(kind, sizes: [size], windowBits: nil, batch: 4)
            for index in 0..<pool.count {
                let (firstByte, payload) = unmasked(pool.frame(index))
                #expect(payload == pool.messages[index])
                #expect(firstByte == (kind.isText ? 0x81 : 0x82))
            }
        }
    }

    @Test("A compressed frame decompresses to its message")
    func compressed() {
        let pool = FramePool(.logs, sizes: [300, 3_000], windowBits: 12, batch: 4)
        let checker = ReplyChecker(windowBits: 12)
        for index in 0..<pool.count {
            let (firstByte, payload) = unmasked(pool.frame(index))
            #expect(firstByte == 0xC1)
            #expect(checker.inflate(payload, limit: 1 << 20, after: nil) == pool.messages[index])
        }
    }

    @Test("A run of frames equals the single frames, also across the end of the pool")
    func runs() {
        let pool = FramePool(.binary, sizes: [10, 200], windowBits: nil, batch: 16)
        for index in [0, pool.count / 2, pool.count - 1] {
            let run = pool.frames(from: index, wanted: 16)
            #expect(run.count == 16)
            let expected = (0..<16).flatMap { pool.frame(pool.index(index, after: $0)) }
            #expect(unsafe Array(run.bytes) == expected)
        }
        #expect(pool.size(of: 3, from: pool.count - 1) == 200 + 10 + 200)
        #expect(pool.messageSizeAverage == 105)
    }

    @Test("With context takeover, a message is only repeated beyond every window")
    func distance() {
        for size in [64, 1_000] {
            let pool = FramePool(
                .json, sizes: [size], windowBits: 15, isTakeover: true, batch: 1)
            #expect(pool.count * size > 1 << 15)
        }
    }
}
