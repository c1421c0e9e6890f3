/// The kind of content of a load's messages.
package enum PayloadKind: Sendable, Hashable {
    /// Order-book events as exchanges send them, with occasional remarks; valid JSON.
    case json
    /// Plain sentences.
    case chat
    /// Lines of pair, time, price, quantity and side.
    case ticks
    /// Lines of a server's log.
    case logs
    /// Random bytes, which don't compress.
    case binary
    /// Lines or slices of a file.
    case file(PayloadFile)

    /// The name in reports.
    package var name: String {
        switch self {
        case .json: "json"
        case .chat: "chat"
        case .ticks: "ticks"
        case .logs: "logs"
        case .binary: "binary"
        case .file: "file"
        }
    }

    /// Whether the messages are sent as text.
    package var isText: Bool {
        switch self {
        case .binary: false
        case .file(let file): file.isText
        default: true
        }
    }

    /// Whether there are lines. They are the messages unless sizes are given.
    package var hasLines: Bool {
        if case .file(let file) = self { !file.lines.isEmpty } else { false }
    }

    /// Returns `count` messages of the given sizes in turn, the same ones every time. Sizes are
    /// exact, except for slices of text, which end between characters (``PayloadFile``).
    package func messages(sizes: [Int], count: Int) -> [[UInt8]] {
        precondition(!sizes.isEmpty)
        var random = LoadRandom(seed: 88_172_645_463_325_252)
        var position = 0
        return (0..<count).map { number in
            let size = sizes[number % sizes.count]
            switch self {
            case .json: return JSONEvents.message(size, &random)
            case .chat: return Prose.message(size, &random)
            case .ticks: return Prose.lines(size, &random, Prose.tick)
            case .logs: return Prose.lines(size, &random, Prose.logLine)
            case .binary: return (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            case .file(let file): return file.slice(size, at: &position)
            }
        }
    }
}
