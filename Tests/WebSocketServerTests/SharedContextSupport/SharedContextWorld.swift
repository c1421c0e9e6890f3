import Glibc
import WebSocketProtocol

#if canImport(WebSocketServer)
    @testable import WebSocketServer
#endif

/// Connections from the view of shared contexts, each with a real decompressor that checks every
/// frame.
final class SharedContextWorld {
    /// One connection.
    final class Reader {
        let inflater: RawInflater
        let windowBits: Int
        /// Whether it has context takeover; otherwise it requested `server_no_context_takeover`.
        let takesOver: Bool
        /// A bit for each topic.
        var topics: UInt8
        var context: SharedContext?
        /// The twin of its context: the data that was sent compressed since the context was
        /// unknown.
        var sent: [Sent] = []

        init(takesOver: Bool, windowBits: Int, topics: UInt8) {
            inflater = RawInflater(windowBits: windowBits)
            self.windowBits = windowBits
            self.takesOver = takesOver
            self.topics = topics
        }
    }

    struct Sent: Hashable {
        let id: UInt64
        let size: Int
    }

    /// The outcome of one delivery.
    enum Delivery {
        case written
        /// Written although it wasn't counted, because it was waiting elsewhere.
        case uncounted
        /// Not counted, and written as a frame that stands alone, because it waited in the reader's
        /// backlog.
        case alone
        /// Counted, but dropped before or after it was encoded.
        case droppedBefore
        case droppedAfter
    }

    static let windowBits = 12
    static let windowSize = 1 << windowBits
    static let partsMax = 128

    private(set) var readers: [Reader] = []
    private(set) var contexts: SharedContexts!
    private(set) var faults: [String] = []
    /// The compressor calls for the current publication, and those for all.
    private var encodings = 0
    /// Of these, the ones for smaller windows than most readers have.
    private var narrowEncodings = 0
    private(set) var encodingsTotal = 0
    private(set) var publications = 0
    private(set) var deliveries = 0
    private(set) var compressedDeliveries = 0
    /// The bytes written, with headers, and their uncompressed size.
    private(set) var bytesWritten = 0
    private(set) var bytesPlain = 0
    /// The number of deliveries between checks of the decompressors' windows.
    var windowCheckInterval = 61

    init(engine: DeflateEngine) {
        privateCodec = Codec(engine: engine)
        var codecs: [Int: Codec] = [:]
        contexts = SharedContexts(windowBits: Self.windowBits) {
            [unowned self] payload, history, windowBits in
            encodings += 1
            encodingsTotal += 1
            if history.count > Self.windowSize { fault("a history of \(history.count) bytes") }
            if windowBits < Self.windowBits { narrowEncodings += 1 }
            let codec = codecs[windowBits] ?? Codec(engine: engine, windowBits: windowBits)
            codecs[windowBits] = codec
            return codec.deflate(payload, after: history)
        }
    }

    /// A compressor and its output buffer, as a loop has them.
    final class Codec {
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
            // Filled for each frame with bytes that must not appear in it.
            output.deallocate()
            output = .allocate(byteCount: Deflater.room(for: payload.count), alignment: 16)
            output.initializeMemory(as: UInt8.self, repeating: 0xA5)
            let count = deflater.compress(payload, after: history, into: output)
            return count.map { UnsafeRawBufferPointer(rebasing: output[..<$0]) }
        }
    }

    private let privateCodec: Codec

    func fault(_ what: String) {
        if faults.count < 10 { faults.append("publication \(publications): \(what)") }
    }

    // MARK: - Events

    func join(_ reader: Reader) { readers.append(reader) }

    func leave(_ index: Int) { readers.remove(at: index) }

    /// Sends a message to one connection: compressed without a context, unless it doesn't shrink.
    func sendPrivately(_ payload: [UInt8], to reader: Reader) {
        payload.withUnsafeBytes { payload in
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            guard let deflated = privateCodec.deflate(payload, after: none) else { return }
            check(reader.inflater.inflate(deflated), equals: payload, "private")
            if !reader.takesOver { reader.inflater.reset() }
            reader.context = nil
            reader.sent = []
        }
    }

    func publish(
        _ payload: [UInt8], kind: MessageKind = .text, topic: Int,
        delivery: (Reader) -> Delivery = { _ in .written }
    ) {
        let publication = Publication(payload.span.bytes, as: kind, to: "\(topic)")
        publish(publication, topic: topic, delivery: delivery)
    }

    /// Sends one publication to all subscribers of its topic; it may be repeated.
    func publish(_ publication: Publication, topic: Int, delivery: (Reader) -> Delivery) {
        publications += 1
        encodings = 0
        narrowEncodings = 0
        let all = readers.filter { $0.topics >> topic & 1 == 1 }.map { ($0, delivery($0)) }
        contexts.begin(publication)
        for (reader, delivery) in all where delivery != .uncounted && delivery != .alone {
            contexts.count(reader.takesOver ? reader.context : nil)
        }
        contexts.plan()
        for (reader, delivery) in all where delivery != .droppedBefore {
            if reader.takesOver, delivery == .alone {
                let frame = contexts.cold()
                if frame.isCompressed { reader.sent = [] }
                let next = frame.isCompressed ? contexts.contextAfterCold() : reader.context
                write(publication, frame, next, to: reader)
            } else if reader.takesOver {
                let (frame, next) = contexts.encoding(for: reader.context)
                if delivery != .droppedAfter { write(publication, frame, next, to: reader) }
            } else {
                let frame = contexts.cold(windowBits: reader.windowBits)
                if delivery != .droppedAfter { write(publication, frame, nil, to: reader) }
            }
        }
        contexts.end()
        if encodings - narrowEncodings > 4 || narrowEncodings > 1 {
            fault("\(encodings) encodings, \(narrowEncodings) of them narrow")
        }
        if encodings > all.count { fault("\(encodings) encodings for \(all.count) readers") }
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

    /// Checks that the decompressor's window really ends with the context.
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
    func checkIdentity() {
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

    /// Returns the last publications that fill the window, if there are enough.
    private static func known(_ sent: [Sent]) -> [Sent] {
        var size = 0
        var start = sent.count
        while start > 0, size < windowSize, sent.count - start < partsMax {
            start -= 1
            size += min(sent[start].size, windowSize)
        }
        return Array(sent[start...])
    }

    /// Disconnects all.
    func end() {
        readers = []
        if contexts.liveContexts != 0 { fault("\(contexts.liveContexts) contexts live on") }
        if contexts.livePublications != 0 { fault("\(contexts.livePublications) publications do") }
    }
}
