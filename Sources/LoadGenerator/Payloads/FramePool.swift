import WebSocketProtocol

/// The messages of a load and their frames. They are compressed, masked and encoded once, before
/// the load begins.
///
/// Encoding each message anew would cost the generator more than sending it. So a message keeps its
/// masking key each time it is sent, which only a load may do (RFC 6455 §5.3). Each message is
/// compressed alone, by zlib at level 6; every server must accept the result.
// Safety: it owns its memory, which is never written to after the initializer.
@safe
package final class FramePool: @unchecked Sendable {
    /// The number of distinct messages.
    package let count: Int
    package let messages: [[UInt8]]
    package let isText: Bool
    /// Whether any message is compressed.
    package let isCompressed: Bool
    /// The average bytes of a frame, and of a message.
    package let frameSizeAverage: Double
    package let messageSizeAverage: Double
    private let bytes: UnsafeMutableRawPointer
    /// The start of each frame, and the end of the last one. The frames at the front are repeated
    /// at the end.
    private let offsets: UnsafeMutablePointer<Int>
    private let uniformSize: Int?
    private let sizes: UnsafeMutablePointer<Int>
    private let framesTotal: Int

    /// The bytes that the messages of a pool have together, as far as their number allows.
    private static let poolSize = 256 << 10
    private static let countMin = 8
    private static let countMax = 128
    /// The number of messages if the server's messages may refer to earlier ones. A message must
    /// not recur within any window, or it would compress to next to nothing.
    private static let countMaxOfTakeover = 4_096
    /// The maximum size of the frames repeated at the end, which let one write run past the last
    /// message.
    private static let repeatedSizeMax = 1 << 20

    /// - Parameters:
    ///   - sizes: The sizes of the messages, in turn; `nil` for whole lines of a file.
    ///   - windowBits: The window bits for compression, 9 to 15; `nil` for plain messages.
    ///   - isTakeover: Whether the server's messages may refer to earlier ones.
    ///   - batch: The number of messages that one write may hold.
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
        // Two large messages suffice if nothing is compressed: they stay in the cache.
        if isPlain, average >= 64 << 10 { wanted = 2 }
        let count = (wanted + sizes.count - 1) / sizes.count * sizes.count
        return kind.messages(sizes: sizes, count: count)
    }

    deinit {
        unsafe bytes.deallocate()
        unsafe offsets.deallocate()
        unsafe sizes.deallocate()
    }

    /// Returns the frames of `wanted` or fewer messages from `index` on, as contiguous bytes.
    func frames(from index: Int, wanted: Int) -> (bytes: UnsafeRawBufferPointer, count: Int) {
        let taken = min(wanted, framesTotal - index)
        // Safety: `index` is one of `count`, and `taken` frames follow within the memory.
        let start = unsafe offsets[index]
        let end = unsafe offsets[index &+ taken]
        return unsafe (UnsafeRawBufferPointer(start: bytes + start, count: end - start), taken)
    }

    /// Returns the frame of one message.
    package func frame(_ index: Int) -> [UInt8] {
        unsafe Array(frames(from: index, wanted: 1).bytes)
    }

    /// Returns the bytes of this many messages from `index` on.
    func size(of messages: Int, from index: Int) -> Int {
        if let uniformSize { return messages &* uniformSize }
        return (0..<messages).reduce(0) { unsafe $0 &+ sizes[self.index(index, after: $1)] }
    }

    /// Returns the index that comes `added` messages after `index`.
    @inline(__always)
    func index(_ index: Int, after added: Int) -> Int {
        let sum = index &+ added
        return sum < count ? sum : sum % count
    }
}

/// An encoder of messages into a client's frames, one after the other.
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

/// Returns a client's frame.
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
