import CZlib

/// The simplest use of zlib, as the reference of the deflate tests.
enum PlainZlib {
    static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]

    /// Returns the outcome of one call with a complete message and its tail.
    enum Verdict: Equatable {
        case bytes([UInt8])
        case tooBig
        case refused(String)
    }

    /// Compresses messages with one stream. Each ends with a sync flush, without its tail.
    static func deflate(
        _ messages: [[UInt8]], level: Int = 6, windowBits: Int = 15, keepContext: Bool = false
    ) -> [[UInt8]] {
        var stream = z_stream()
        precondition(apus_deflate_init(&stream, Int32(level), Int32(windowBits), 8) == Z_OK)
        defer { deflateEnd(&stream) }
        return messages.map { message in
            if message.isEmpty { return [0] }
            if !keepContext { deflateReset(&stream) }
            var input = message
            var output = [UInt8](repeating: 0, count: message.count + message.count / 100 + 1_024)
            let size = output.count
            input.withUnsafeMutableBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    stream.next_in = input.baseAddress
                    stream.avail_in = UInt32(input.count)
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(size)
                    precondition(CZlib.deflate(&stream, Z_SYNC_FLUSH) == Z_OK)
                }
            }
            let written = size - Int(stream.avail_out)
            precondition(Array(output[(written - 4)..<written]) == tail)
            return Array(output[..<(written - 4)])
        }
    }

    /// Decompresses messages with one stream, in outputs of `step` bytes. With a step of one, no
    /// distance may exceed the window. Returns `nil` if zlib refuses a message.
    static func inflate(
        _ messages: [[UInt8]], windowBits: Int = 15, step: Int = 4_096, keepContext: Bool = false
    ) -> [[UInt8]?] {
        var stream = z_stream()
        precondition(apus_inflate_init(&stream, Int32(windowBits)) == Z_OK)
        defer { inflateEnd(&stream) }
        return messages.map { message in
            if !keepContext { inflateReset(&stream) }
            var input = message + tail
            var piece = [UInt8](repeating: 0, count: step)
            var result: [UInt8] = []
            let isWhole = input.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                while true {
                    let status = piece.withUnsafeMutableBufferPointer { piece in
                        stream.next_out = piece.baseAddress
                        stream.avail_out = UInt32(step)
                        return CZlib.inflate(&stream, Z_SYNC_FLUSH)
                    }
                    result += piece[..<(step - Int(stream.avail_out))]
                    if status == Z_BUF_ERROR { return stream.avail_in == 0 }
                    if status != Z_OK { return false }
                }
            }
            return isWhole ? result : nil
        }
    }

    /// Calls zlib once with room for `limit` bytes, and again for each final block that more data
    /// follows.
    static func oneShot(
        _ message: [UInt8], after history: [UInt8] = [], limit: Int
    ) -> Verdict {
        // Without input, there is no output.
        if message.isEmpty { return .bytes([]) }
        var stream = z_stream()
        precondition(apus_inflate_init(&stream, 15) == Z_OK)
        defer { inflateEnd(&stream) }
        precondition(inflateSetDictionary(&stream, history, UInt32(history.count)) == Z_OK)
        var input = message + tail
        var output = [UInt8](repeating: 0, count: limit + 1)
        let refusal: String? = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(message.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                while true {
                    let status = CZlib.inflate(&stream, Z_SYNC_FLUSH)
                    if status == Z_DATA_ERROR { return String(cString: stream.msg) }
                    if stream.avail_out == 0 { return nil }
                    if status == Z_STREAM_END {
                        if stream.avail_in == 0 { return nil }
                        var window = [UInt8](repeating: 0, count: 32_768)
                        var size: UInt32 = 0
                        inflateGetDictionary(&stream, &window, &size)
                        inflateReset(&stream)
                        inflateSetDictionary(&stream, window, size)
                        continue
                    }
                    // Truncated, if it doesn't end with the header of an empty stored block.
                    if inflateSyncPoint(&stream) != 1 { return "cut short" }
                    stream.avail_in = UInt32(tail.count)
                    let end = CZlib.inflate(&stream, Z_SYNC_FLUSH)
                    return end == Z_OK && stream.data_type & 191 == 128 || end == Z_STREAM_END
                        ? nil : "cut short"
                }
            }
        }
        let count = output.count - Int(stream.avail_out)
        if count > limit { return .tooBig }
        return refusal.map { .refused($0) } ?? .bytes(Array(output[..<count]))
    }
}
