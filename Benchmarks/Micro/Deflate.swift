import WebSocketProtocol

/// A compression engine and its level, with 12 window bits and memory level 5 as in the server.
private struct Setting {
    let name: String
    let engine: DeflateEngine
    let level: Int

    static let all = [
        Setting(name: "zlib-1", engine: .zlib, level: 1),
        Setting(name: "zlib-6", engine: .zlib, level: 6),
        Setting(name: "isal-1", engine: .isal, level: 1),
    ]
    static let windowBits = 12

    func deflater() -> Deflater {
        Deflater(engine: engine, level: level, windowBits: Self.windowBits, memoryLevel: 5)
    }
}

private let sizes = [256, 1_024, 4_096, 65_536]

/// The cases of deflating messages without context, deflating one that refers to 4 KiB before it,
/// and inflating.
let compressionCases =
    Setting.all.flatMap { setting in
        sizes.map { deflateCase(setting, size: $0, history: 0) }
            + [deflateCase(setting, size: 1_024, history: 4_096)]
    }
    + [Setting.all[1], Setting.all[2]].flatMap { setting in
        sizes.map { inflateCase(setting, size: $0, history: 0) }
            + [inflateCase(setting, size: 1_024, history: 4_096)]
    }

/// Returns two parts of one text: the earlier data, and the message.
private func sample(_ size: Int, after history: Int) -> ([UInt8], [UInt8]) {
    let text = Sample.json(history + size)
    return (Array(text.prefix(history)), Array(text.suffix(size)))
}

private func times(_ size: Int) -> Int { size > 10_000 ? 10 : 200 }

private func name(_ work: String, _ setting: Setting, _ size: Int, _ history: Int) -> String {
    "\(work)-\(setting.name)-\(size)" + (history > 0 ? "-after-\(history)" : "")
}

private func deflateCase(_ setting: Setting, size: Int, history: Int) -> MicroCase {
    MicroCase(name: name("deflate", setting, size, history), times: times(size)) { times in
        let (before, message) = sample(size, after: history)
        var deflater = setting.deflater()
        var written = 0
        for _ in 0..<times { written += deflater.compressed(message, after: before).count }
        return written
    }
}

private func inflateCase(_ setting: Setting, size: Int, history: Int) -> MicroCase {
    // An inflater is the same at every level. ISA-L's leaves messages shorter than 400 compressed
    // bytes to zlib: two of its cases show that they cost the same.
    let title = "inflate-\(setting.engine)-\(size)" + (history > 0 ? "-after-\(history)" : "")
    return MicroCase(name: title, times: times(size)) { times in
        let (before, message) = sample(size, after: history)
        var deflater = Setting.all[1].deflater()
        let wire = deflater.compressed(message, after: before)
        var inflater = Inflater(engine: setting.engine, windowBits: Setting.windowBits)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { memory.deallocate() }
        var produced = 0
        for _ in 0..<times {
            var output = AssemblyBuffer()
            (output.base, output.capacity) = (memory.baseAddress, size)
            let outcome = wire.withUnsafeBytes { wire in
                before.withUnsafeBytes { before in
                    inflater.decompress(wire, after: before, limit: size, into: &output) { _, _ in
                        false
                    }
                }
            }
            precondition(outcome == .done(size))
            produced += output.count
        }
        precondition(memory.elementsEqual(message), "what came out is not what went in")
        return produced
    }
}

extension Deflater {
    /// Returns a message, compressed; it must shrink.
    fileprivate mutating func compressed(_ message: [UInt8], after history: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Deflater.room(for: message.count)) { buffer, count in
            let room = UnsafeMutableRawBufferPointer(buffer)
            let written = message.withUnsafeBytes { message in
                history.withUnsafeBytes { compress(message, after: $0, into: room) }
            }
            guard let written else { preconditionFailure("the message did not shrink") }
            count = written
        }
    }
}
