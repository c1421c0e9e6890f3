public import WebSocketServer

/// A recorder of log lines, which tests inspect.
public final class LogRecorder: Sendable {
    private let lines = Locked<[String]>([])

    public init() {}

    /// A logger that writes to the recorder, from the lowest level on.
    public var logger: Logger {
        Logger(label: "test") { [lines] _ in RecordingHandler(lines: lines) }
    }

    /// Returns the recorded lines that contain `text`: the level, message and metadata of each.
    public func lines(with text: String) -> [String] { lines.value.filter { $0.contains(text) } }
}

private struct RecordingHandler: LogHandler {
    let lines: Locked<[String]>
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let line = "\(event.level) \(event.message) \(event.metadata ?? [:])"
        lines.withLock { $0.append(line) }
    }
}
