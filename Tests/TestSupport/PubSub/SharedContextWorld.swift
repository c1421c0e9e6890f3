import Glibc
package import PubSub
package import WebSocketProtocol

/// The readers of shared contexts, each with a real inflater that checks every frame.
package final class SharedContextWorld {
    /// One connection.
    package final class Reader {
        package let inflater: RawInflater
        package let windowBits: Int
        /// Whether it takes context over, or else has asked for `server_no_context_takeover`.
        package let takesOver: Bool
        /// A bit for each topic.
        package var topics: UInt8
        package var context: SharedContext?
        /// The twin of its context: what it was sent compressed since its window was unknown.
        package var sent: [Sent] = []

        package init(takesOver: Bool, windowBits: Int, topics: UInt8) {
            inflater = RawInflater(windowBits: windowBits)
            self.windowBits = windowBits
            self.takesOver = takesOver
            self.topics = topics
        }
    }

    package struct Sent: Hashable {
        package let id: UInt64
        package let size: Int
    }

    /// The fate of one delivery.
    package enum Delivery {
        case written
        /// The reader was not counted, and the frame is written.
        case uncounted
        /// The reader was not counted, and a standalone frame is written: the publication has
        /// waited.
        case standalone
        /// The reader was counted, and nothing is written: it was dropped before encoding, or
        /// after.
        case droppedBefore
        case droppedAfter
    }

    package static let windowBits = 12
    package static let windowSize = 1 << windowBits
    package static let partsMax = 128

    package private(set) var readers: [Reader] = []
    package private(set) var contexts: SharedContexts!
    package private(set) var faults: [String] = []
    /// The number of deflate calls for the current publication; ``encodingsTotal`` counts all.
    private var encodings = 0
    /// The number of those calls for windows smaller than the server's.
    private var narrowEncodings = 0
    package private(set) var encodingsTotal = 0
    package private(set) var publications = 0
    package private(set) var deliveries = 0
    package private(set) var compressedDeliveries = 0
    /// The bytes written, headers included, and the same without compression.
    package private(set) var bytesWritten = 0
    package private(set) var bytesPlain = 0
    /// The number of deliveries after which an inflater's window is checked.
    package var windowCheckInterval = 61

    package init(engine: DeflateEngine) {
        privateCodec = Codec(engine: engine)
        var codecs: [Int: Codec] = [:]
        contexts = SharedContexts(windowBits: Self.windowBits) {
            [unowned self] payload, history, windowBits, _ in
            encodings += 1
            encodingsTotal += 1
            if history.count > Self.windowSize { fault("a history of \(history.count) bytes") }
            if windowBits < Self.windowBits { narrowEncodings += 1 }
            let codec = codecs[windowBits] ?? Codec(engine: engine, windowBits: windowBits)
            codecs[windowBits] = codec
            return codec.deflate(payload, after: history)
        }
    }

    /// A deflater and its output, like a loop's.
    private final class Codec {
        private var deflater: Deflater
        private var output = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 16)

        init(engine: DeflateEngine, windowBits: Int = SharedContextWorld.windowBits) {
            deflater = Deflater(
                engine: engine, level: 1, windowBits: windowBits, memoryLevel: 5)
        }

        deinit { output.deallocate() }

        func deflate(
            _ payload: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer
        ) -> UnsafeRawBufferPointer? {
            // A new output each time, filled with bytes that must not appear in a frame.
            output.deallocate()
            output = .allocate(byteCount: Deflater.room(for: payload.count), alignment: 16)
            output.initializeMemory(as: UInt8.self, repeating: 0xA5)
            let count = deflater.compress(payload, after: history, into: output)
            return count.map { UnsafeRawBufferPointer(rebasing: output[..<$0]) }
        }
    }

    private let privateCodec: Codec

    private func fault(_ what: String) {
        if faults.count < 10 { faults.append("publication \(publications): \(what)") }
    }

    // MARK: - Events

    package func join(_ reader: Reader) { readers.append(reader) }

    package func leave(_ index: Int) { readers.remove(at: index) }

    /// Sends a message to one reader: compressed without a context, unless it doesn't shrink.
    package func sendPrivately(_ payload: [UInt8], to reader: Reader) {
        payload.withUnsafeBytes { payload in
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            guard let deflated = privateCodec.deflate(payload, after: none) else { return }
            check(reader.inflater.inflate(deflated), equals: payload, "private")
            if !reader.takesOver { reader.inflater.reset() }
            reader.context = nil
            reader.sent = []
        }
    }

    package func publish(
        _ payload: [UInt8], kind: MessageKind = .text, topic: Int,
        delivery: (Reader) -> Delivery = { _ in .written }
    ) {
        let publication = Publication(payload.span.bytes, as: kind, to: "\(topic)")
        publish(publication, topic: topic, delivery: delivery)
    }

    /// Delivers a publication to all readers of its topic; the same publication may be delivered
    /// again.
    package func publish(_ publication: Publication, topic: Int, delivery: (Reader) -> Delivery) {
        publications += 1
        encodings = 0
        narrowEncodings = 0
        let all = readers.filter { $0.topics >> topic & 1 == 1 }.map { ($0, delivery($0)) }
        encode(publication, for: all)
        if encodings - narrowEncodings > 4 || narrowEncodings > 1 {
            fault("\(encodings) encodings, \(narrowEncodings) of them narrow")
        }
        if encodings > all.count { fault("\(encodings) encodings for \(all.count) readers") }
    }

    private func encode(_ publication: Publication, for all: [(Reader, Delivery)]) {
        let encoder = contexts.encoder(for: publication, level: 1) { readers in
            for (reader, delivery) in all where delivery != .uncounted && delivery != .standalone {
                readers.add(reader.takesOver ? reader.context : nil)
            }
        }
        for (reader, delivery) in all where delivery != .droppedBefore {
            if reader.takesOver, delivery == .standalone {
                let frame = encoder.standaloneFrame(windowBits: Self.windowBits)
                if frame.isCompressed { reader.sent = [] }
                let next =
                    frame.isCompressed ? encoder.contextAfterStandaloneFrame() : reader.context
                write(publication, frame, next, to: reader)
            } else if reader.takesOver {
                let (frame, next) = encoder.frame(after: reader.context)
                if delivery != .droppedAfter { write(publication, frame, next, to: reader) }
            } else {
                let frame = encoder.standaloneFrame(windowBits: reader.windowBits)
                if delivery != .droppedAfter { write(publication, frame, nil, to: reader) }
            }
        }
    }

    private func write(
        _ publication: Publication, _ frame: SharedFrame, _ next: SharedContext?, to reader: Reader
    ) {
        deliveries += 1
        bytesWritten += frame.count
        bytesPlain += publication.frame.count
        if frame.payloadCount != publication.payloadCount { fault("payloadCount") }
        let plain = publication.frame
        guard frame.isCompressed else {
            check(frame.bytes, equals: plain, "plain frame")
            if next !== reader.context { fault("a plain frame changes the context") }
            return
        }
        compressedDeliveries += 1
        let (first, payload) = Self.split(frame.bytes)
        if first != plain[0] | 0x40 { fault("first byte \(first)") }
        check(reader.inflater.inflate(payload), equals: Self.split(plain).payload, "frame")
        if !reader.takesOver { return reader.inflater.reset() }
        reader.context = next
        reader.sent.append(Sent(id: publication.id, size: publication.payloadCount))
        if reader.sent.count > 2 * Self.partsMax { reader.sent.removeFirst(Self.partsMax) }
        if deliveries % windowCheckInterval == 0 { checkWindow(of: reader) }
    }

    private static func split(
        _ frame: UnsafeRawBufferPointer
    ) -> (first: UInt8, payload: UnsafeRawBufferPointer) {
        let size =
            switch frame[1] {
            case 126: 4
            case 127: 10
            default: 2
            }
        return (frame[0], UnsafeRawBufferPointer(rebasing: frame[size...]))
    }

    // MARK: - Checks

    private func check(
        _ bytes: UnsafeRawBufferPointer?, equals expected: UnsafeRawBufferPointer, _ what: String
    ) {
        guard let bytes else { return fault("\(what): zlib refuses it") }
        if bytes.count == expected.count {
            if bytes.isEmpty { return }
            if memcmp(bytes.baseAddress!, expected.baseAddress!, bytes.count) == 0 { return }
        }
        fault("\(what): \(bytes.count) bytes, not those \(expected.count) published")
    }

    /// Checks that the inflater's window ends with the context's content.
    private func checkWindow(of reader: Reader) {
        guard let context = reader.context else { return fault("no context") }
        let window = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.windowSize, alignment: 1)
        defer { window.deallocate() }
        let known = context.copy(to: window)
        if !reader.inflater.window.suffix(known.count).elementsEqual(known) {
            fault("the window of a reader isn't what its context says")
        }
    }

    /// Checks that equal histories have one context, and different ones different contexts.
    package func checkIdentity() {
        var byHistory: [[Sent]: ObjectIdentifier] = [:]
        var byContext: [ObjectIdentifier: [Sent]] = [:]
        for reader in readers where reader.takesOver {
            let history = Self.known(reader.sent)
            guard let context = reader.context.map({ ObjectIdentifier($0) }) else {
                if !history.isEmpty { fault("no context after \(history.count) publications") }
                continue
            }
            if byHistory.updateValue(context, forKey: history) ?? context != context {
                fault("two contexts of one history")
            }
            if byContext.updateValue(history, forKey: context) ?? history != history {
                fault("one context of two histories")
            }
        }
        if contexts.liveContexts != byContext.count {
            fault("\(contexts.liveContexts) contexts live of \(byContext.count)")
        }
    }

    /// Returns the last publications that fill the window.
    private static func known(_ sent: [Sent]) -> [Sent] {
        var size = 0
        var start = sent.count
        while start > 0, size < windowSize, sent.count - start < partsMax {
            start -= 1
            size += min(sent[start].size, windowSize)
        }
        return Array(sent[start...])
    }

    /// Removes all readers, and checks that no context is left.
    package func end() {
        readers = []
        if contexts.liveContexts != 0 { fault("\(contexts.liveContexts) contexts live on") }
        if contexts.livePublications != 0 { fault("\(contexts.livePublications) publications do") }
    }
}
