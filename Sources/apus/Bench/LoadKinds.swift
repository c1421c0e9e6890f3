import ArgumentParser
import Foundation
import LoadGenerator
import WebSocketServer

/// The content of a load's messages, as `--payload` names it.
struct Payload: Kind {
    let accepted = "json, chat, ticks, logs, binary, or file:PATH"

    private static let kinds: [PayloadKind] = [.json, .chat, .ticks, .logs, .binary]
    private static let filePrefix = "file:"

    func parse(_ text: String) throws(Rejection) -> PayloadKind {
        if let kind = Self.kinds.first(where: { $0.name == text }) { return kind }
        guard text.hasPrefix(Self.filePrefix) else {
            throw Rejection(problem: "no kind of payload")
        }
        let bytes = try read(String(text.dropFirst(Self.filePrefix.count)))
        if bytes.isEmpty { throw Rejection(problem: "an empty file") }
        return .file(PayloadFile(bytes))
    }

    func write(_ value: PayloadKind) -> String { value.name }

    private func read(_ path: String) throws(Rejection) -> [UInt8] {
        if path.isEmpty { throw Rejection(problem: "without a path") }
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            return Array(try file.readToEnd() ?? Data())
        } catch {
            throw Rejection(problem: "not readable (\(reason(for: error)))")
        }
    }
}

/// A message size with an optional weight: `4KiB`, `128*9`.
struct WeightedSize: Kind {
    private static let size = Size(.bytes(0) ... .mebibytes(64))
    private static let weight = WholeNumber(1...SizeMix.turnMax)

    var accepted: String {
        "\(Self.size.accepted), with *N behind it where it comes N times as often, N "
            + Self.weight.rangeInWords
    }

    func parse(_ text: String) throws(Rejection) -> SizeMix.Part {
        let sides = text.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard sides.count <= 2 else { throw Rejection(problem: "more than a size and a weight") }
        let size = try Self.size.parse(sides[0]).bytes
        guard sides.count == 2 else { return SizeMix.Part(size: size) }
        return SizeMix.Part(size: size, weight: try Self.weight.parse(sides[1]))
    }

    func write(_ value: SizeMix.Part) -> String {
        let size = Self.size.write(.bytes(value.size))
        return value.weight == 1 ? size : "\(size)*\(value.weight)"
    }
}

/// Parses a comma-separated list of sizes with optional weights.
@Sendable func sizeMix(_ text: String) throws -> SizeMix {
    let parts = try list(text, WeightedSize())
    let turn = parts.reduce(0) { $0 + $1.weight }
    guard turn <= SizeMix.turnMax else {
        throw ValidationError(
            "the weights in \(text) are \(turn) together; allowed: up to \(SizeMix.turnMax)")
    }
    // Each loop keeps all messages of a turn in memory.
    let bytes = parts.reduce(0) { $0 + $1.size * $1.weight }
    guard bytes <= 1 << 30 else {
        throw ValidationError(
            "sizes by weights in \(text) are \(bytes) bytes together; allowed: up to 1GiB")
    }
    return SizeMix(parts)
}
