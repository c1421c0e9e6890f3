import Dispatch
import Glibc
import Logging

/// The program's log on standard error. No event loop ever waits for it.
final class StandardErrorLog: Sendable {
    private static let label = "apus"

    private let writer: LineWriter

    init() {
        ignoreVanishedReaders()
        writer = LineWriter(descriptor: STDERR_FILENO) { count in
            LogLine.encode(
                LogEvent(
                    level: .warning, message: "log lines were dropped",
                    metadata: ["count": "\(count)"], source: "apus", file: #fileID,
                    function: #function, line: #line),
                label: Self.label, metadata: [:], at: time(nil))
        }
    }

    func logger(level: Logger.Level = .info) -> Logger {
        var logger = Logger(label: Self.label) { [writer] in
            LineLogHandler(label: $0, writer: writer)
        }
        logger.logLevel = level
        return logger
    }

    /// Writes an error that keeps the command from going on, unchanged, after the lines logged so
    /// far.
    func complain(_ text: String) {
        writer.flush(within: .seconds(1))
        writeToStandardError(text)
    }

    /// Writes the lines logged so far, for half a second at most. Later lines are dropped.
    func finish() { writer.finish(within: .milliseconds(500)) }
}

/// A log handler that formats lines and passes them to a ``LineWriter``.
struct LineLogHandler: LogHandler {
    let label: String
    let writer: LineWriter
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()

    init(label: String, writer: LineWriter) {
        self.label = label
        self.writer = writer
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        writer.write(LogLine.encode(event, label: label, metadata: metadata, at: time(nil)))
    }
}
