import PubSub
import TestSupport
import Testing
import WebSocketProtocol

@testable import WebSocketServer

/// The cork of a loop: the bytes that one connection has sent in a turn.
final class ListedCork {
    var owner: ListedConnection?
    var bytes: [UInt8] = []

    func flush() {
        guard let owner else { return }
        let bytes = self.bytes
        (self.owner, self.bytes) = (nil, [])
        owner.put(bytes)
    }
}

/// A connection without a socket: it keeps the bytes that its kernel takes, and the rest in its
/// outbox.
final class ListedConnection: SubscriberConnection {
    let cork: ListedCork
    let delivery: TopicDelivery<ListedConnection>
    private let codec = PayloadDeflater()
    private(set) var subscriber: Subscriber!
    /// The bytes that the kernel takes before the rest goes to the outbox.
    var kernelRoom = Int.max
    let outboxMax: Int
    private(set) var queued: [UInt8] = []
    /// The bytes that the peer has received.
    private(set) var wire: [UInt8] = []
    private(set) var takesMessages = true
    /// The number of messages sent.
    private(set) var messages = 0

    init(
        _ cork: ListedCork, _ delivery: TopicDelivery<ListedConnection>, mode: EncodingMode,
        threshold: Int,
        windowBits: Int, outboxMax: Int
    ) {
        self.cork = cork
        self.delivery = delivery
        self.outboxMax = outboxMax
        subscriber = Subscriber(
            owner: self, mode: mode, threshold: threshold, windowBits: windowBits)
    }

    var hasOutbox: Bool { !queued.isEmpty }
    var outbox: SlowConsumers.Outbox {
        .init(count: queued.count, max: outboxMax, highWater: 6_000)
    }
    var corkOwner: Subscriber? { cork.owner?.subscriber }

    func put(_ bytes: some Collection<UInt8>) {
        let taken = hasOutbox ? 0 : min(kernelRoom, bytes.count)
        wire += bytes.prefix(taken)
        queued += bytes.dropFirst(taken)
        if kernelRoom < .max { kernelRoom -= taken }
    }

    private static func frame(_ message: [UInt8], _ kind: MessageKind) -> [UInt8] {
        let publication = Publication(message.span.bytes, as: kind, to: "")
        return withExtendedLifetime(publication) { Array(publication.frame) }
    }

    private func append(_ bytes: some Collection<UInt8>) {
        if hasOutbox { return put(bytes) }
        if cork.owner !== self { cork.flush() }
        cork.owner = self
        cork.bytes += bytes
    }

    func writeFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int) {
        flushIfCorked()
        messages += count
        put(frames)
    }

    func appendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int) {
        messages += 1
        append(frame)
    }

    func sendMessage(_ publication: Publication) {
        if subscriber.hasBacklog { Issue.record("sent before what waits") }
        sendQueued(publication)
    }

    func sendQueued(_ publication: Publication) {
        messages += 1
        append(publication.frame)
    }

    func sendQueued(_ message: [UInt8], _ kind: MessageKind, compresses: Bool) {
        messages += 1
        append(Self.frame(message, kind))
    }

    /// Sends a message of its own. Where that is compressed, the window's contents are unknown
    /// then.
    func send(_ message: [UInt8], compresses: Bool) {
        if subscriber.hasBacklog {
            _ = delivery.queue(.own(message, .text, compresses: false), for: subscriber)
        } else if compresses, subscriber.mode == .shared || subscriber.mode == .standalone {
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            let bytes = message.withUnsafeBytes {
                codec.deflate($0, after: none, windowBits: 9).map { Array($0) }!
            }
            append([0xC1, UInt8(bytes.count)] + bytes)
            subscriber.context = nil
        } else {
            append(Self.frame(message, .text))
        }
    }

    func flushIfCorked() { if cork.owner === self { cork.flush() } }

    func dropSlowConsumer() {
        takesMessages = false
        delivery.slow.forget(subscriber, andOutbox: true)
    }

    /// Takes bytes from the outbox, and continues as ``ConnectionCore`` does.
    func drain(_ count: Int) {
        let taken = min(count, queued.count)
        wire += queued.prefix(taken)
        queued.removeFirst(taken)
        delivery.slow.updateOutboxShare(of: subscriber, outboxCount: queued.count)
        if takesMessages, queued.count <= outbox.highWater / 2 { delivery.resume(subscriber) }
    }

    /// Returns the payloads of the messages that the peer reads.
    func read() throws -> [[UInt8]] {
        var payloads: [[UInt8]] = []
        let inflater = RawInflater(windowBits: 15)
        var rest = wire[...]
        while let first = rest.popFirst(), let short = rest.popFirst() {
            var size = Int(short)
            if short >= 126 {
                let count = short == 126 ? 2 : 8
                size = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(count)
            }
            let payload = Array(rest.prefix(size))
            rest = rest.dropFirst(size)
            guard first & 0x40 != 0 else {
                payloads.append(payload)
                continue
            }
            if subscriber.mode == .standalone { inflater.reset() }
            try #require(subscriber.mode != .plain && subscriber.mode != .ownContext)
            payload.withUnsafeBytes { payload in
                payloads.append(inflater.inflate(payload).map { Array($0) } ?? [])
            }
        }
        return payloads
    }
}

/// A deflater and its output.
final class PayloadDeflater {
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 16)

    deinit { memory.deallocate() }

    func deflate(
        _ payload: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
        windowBits: Int
    ) -> UnsafeRawBufferPointer? {
        memory.deallocate()
        memory = .allocate(byteCount: Deflater.room(for: payload.count), alignment: 16)
        var deflater = Deflater(
            engine: .zlib, level: 1, windowBits: windowBits, memoryLevel: 5)
        let count = deflater.compress(payload, after: history, into: memory)
        return count.map { UnsafeRawBufferPointer(rebasing: memory[..<$0]) }
    }
}
