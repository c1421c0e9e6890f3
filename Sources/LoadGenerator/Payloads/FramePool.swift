import WebSocketProtocol

/// The messages of a load with their frames: compressed, masked and encoded once, before it begins.
///
/// Making them anew for each message would cost the generator more than sending them does. So a
/// masking key serves every time its message is sent, which only a load may do (RFC 6455 §5.3), and
/// each message is compressed alone, by zlib's level 6, which every server must take.
// Safety: it owns its memory, which no one writes to once it is made.
@safe
package final class FramePool: @unchecked Sendable {
    /// Distinct messages.
    package let count: Int
    package let messages: [[UInt8]]
    package let isText: Bool
    /// Whether any message is compressed.
    package let isCompressed: Bool
    /// Bytes of a frame, and of a message, on average.
    package let frameSizeAverage: Double
    package let messageSizeAverage: Double
    private let bytes: UnsafeMutableRawPointer
    /// Where each frame begins, those at the front repeated at the end; one more for the end.
    private let offsets: UnsafeMutablePointer<Int>
    private let uniformSize: Int?
    private let sizes: UnsafeMutablePointer<Int>
    private let framesTotal: Int

    /// The messages in the pool hold so many bytes together, as far as their number allows.
    private static let poolSize = 256 << 10
    private static let countMin = 8
    private static let countMax = 128
    /// Where the server's messages may refer to earlier ones: the same ones again must lie further
    /// back than any window reaches, or they would compress to next to nothing.
    private static let countMaxOfTakeover = 4_096
    /// Frames that one write may hold are repeated at the end, up to so many bytes.
    private static let repeatedSizeMax = 1 << 20

    /// - Parameters:
    ///   - sizes: of the messages, in turn; `nil` for the lines of a file, whole.
    ///   - windowBits: to compress with, 9…15; `nil` for plain messages.
    ///   - isTakeover: whether the server's messages may refer to earlier ones.
    ///   - batch: how many messages one write may hold.
    package init(
        _ kind: PayloadKind, sizes given: [Int]?, windowBits: Int?, isTakeover: Bool = false,
        batch: Int
    ) {
        let made = Self.messages(
            kind, sizes: given, isPlain: windowBits == nil, isTakeover: isTakeover)
        messages = made
        count = made.count
        uniformSize = Set(made.map(\.count)).count == 1 ? made[0].count : nil
        isText = kind.isText
        var encoder = FrameEncoder(isText: isText, windowBits: windowBits)
        var frames = messages.map { encoder.frame($0) }
        isCompressed = encoder.didCompress
        let frameBytes = frames.reduce(0) { $0 + $1.count }
        frameSizeAverage = Double(frameBytes) / Double(count)
        messageSizeAverage = Double(messages.reduce(0) { $0 + $1.count }) / Double(count)
        let repeated = max(
            1, min(batch, count, Self.repeatedSizeMax / max(1, frameBytes / count)))
        frames += frames.prefix(repeated)
        framesTotal = frames.count
        unsafe bytes = .allocate(byteCount: frames.reduce(1) { $0 + $1.count }, alignment: 64)
        unsafe offsets = .allocate(capacity: framesTotal + 1)
        unsafe sizes = .allocate(capacity: count)
        var offset = 0
        for (index, frame) in frames.enumerated() {
            unsafe offsets[index] = offset
            unsafe frame.withUnsafeBytes {
                unsafe (bytes + offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
            }
            offset += frame.count
        }
        unsafe offsets[framesTotal] = offset
        for index in 0..<count { unsafe sizes[index] = messages[index].count }
    }

    private static func messages(
        _ kind: PayloadKind, sizes: [Int]?, isPlain: Bool, isTakeover: Bool
    ) -> [[UInt8]] {
        guard let sizes else {
            guard case .file(let file) = kind, !file.lines.isEmpty else {
                preconditionFailure("only a file of lines has sizes of its own")
            }
            return file.lineMessages
        }
        let average = max(1, sizes.reduce(0, +) / sizes.count)
        let most = isTakeover ? countMaxOfTakeover : countMax
        var wanted = min(max(poolSize / average, countMin), most)
        // What is large and does not compress may be the same twice: it stays in the cache.
        if isPlain, average >= 64 << 10 { wanted = 2 }
        let count = (wanted + sizes.count - 1) / sizes.count * sizes.count
        return kind.messages(sizes: sizes, count: count)
    }

    deinit {
        unsafe bytes.deallocate()
        unsafe offsets.deallocate()
        unsafe sizes.deallocate()
    }

    /// The frames of `wanted` messages from the one at `index` on, or of fewer: one run of bytes.
    func frames(from index: Int, wanted: Int) -> (bytes: UnsafeRawBufferPointer, count: Int) {
        let taken = min(wanted, framesTotal - index)
        // Safety: `index` is one of `count`, and `taken` frames follow within the memory.
        let start = unsafe offsets[index]
        let end = unsafe offsets[index &+ taken]
        return unsafe (UnsafeRawBufferPointer(start: bytes + start, count: end - start), taken)
    }

    /// The frame of one message.
    package func frame(_ index: Int) -> [UInt8] {
        unsafe Array(frames(from: index, wanted: 1).bytes)
    }

    /// The bytes of so many messages from the one at `index` on.
    func size(of messages: Int, from index: Int) -> Int {
        if let uniformSize { return messages &* uniformSize }
        return (0..<messages).reduce(0) { unsafe $0 &+ sizes[self.index(index, after: $1)] }
    }

    /// The index that comes `added` messages after `index`.
    @inline(__always)
    func index(_ index: Int, after added: Int) -> Int {
        let sum = index &+ added
        return sum < count ? sum : sum % count
    }
}

/// Makes one message after the other into a client's frame.
private struct FrameEncoder: ~Copyable {
    private var random = LoadRandom(seed: 6_455)
    private var deflater: Deflater?
    private let opcode: UInt8
    private(set) var didCompress = false

    init(isText: Bool, windowBits: Int?) {
        opcode = isText ? Opcode.text.rawValue : Opcode.binary.rawValue
        deflater = windowBits.map {
            Deflater(engine: .zlib, level: 6, windowBits: $0, memoryLevel: 8)
        }
    }

    mutating func frame(_ message: [UInt8]) -> [UInt8] {
        if let compressed = compressed(message) {
            didCompress = true
            return masked(compressed, firstByte: FrameHeader.fin | FrameHeader.rsv1 | opcode)
        }
        return masked(message, firstByte: FrameHeader.fin | opcode)
    }

    private mutating func compressed(_ message: [UInt8]) -> [UInt8]? {
        guard deflater != nil else { return nil }
        var output = [UInt8](repeating: 0, count: Deflater.room(for: message.count))
        let count = unsafe message.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBytes { unsafe deflater!.compress(input, into: $0) }
        }
        return count.map { Array(output.prefix($0)) }
    }

    private mutating func masked(_ payload: [UInt8], firstByte: UInt8) -> [UInt8] {
        maskedFrame(
            payload, firstByte: firstByte, key: UInt32(truncatingIfNeeded: random.next()) | 1)
    }
}

/// A client's frame.
func maskedFrame(_ payload: [UInt8], firstByte: UInt8, key: UInt32) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: FrameHeader.sizeMax + payload.count)
    let size = unsafe frame.withUnsafeMutableBytes { frame in
        let header = unsafe FrameHeader.encode(
            firstByte: firstByte, payload: payload.count, maskingKey: key, to: frame.baseAddress!)
        unsafe payload.withUnsafeBytes { payload in
            guard let source = payload.baseAddress else { return }
            // Safety: the frame has room for a header and the payload.
            unsafe Masking.unmask(
                from: source, to: frame.baseAddress! + header, count: payload.count, key: key,
                phase: 0)
        }
        return header + payload.count
    }
    frame.removeLast(frame.count - size)
    return frame
}
