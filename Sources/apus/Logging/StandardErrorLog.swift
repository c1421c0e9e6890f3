import Dispatch
import Glibc
import Logging

/// The program's log on standard error. No event loop ever waits for it.
final class StandardErrorLog: Sendable {
    private static let label = "apus"
    private static let accessLabel = "apus.access"

    private let writer: LineWriter
    /// The level and the format, which may change at any time.
    let settings: LogSettings

    init() {
        ignoreVanishedReaders()
        let settings = LogSettings()
        self.settings = settings
        writer = LineWriter(descriptor: STDERR_FILENO) { count in
            settings.format.encode(
                LogEvent(
                    level: .warning, message: "log lines were dropped",
                    metadata: ["count": .stringConvertible(count)], source: "apus", file: #fileID,
                    function: #function, line: #line),
                label: Self.label, metadata: [:])
        }
    }

    /// Returns a logger with the level of ``settings``, unless it is given one of its own.
    func logger() -> Logger { logger(label: Self.label) }

    /// Returns a logger for access lines, which doesn't depend on the level of ``settings``.
    func accessLogger() -> Logger {
        var logger = logger(label: Self.accessLabel)
        logger.logLevel = .info
        return logger
    }

    private func logger(label: String) -> Logger {
        Logger(label: label) { [writer, settings] in
            LineLogHandler(label: $0, writer: writer, settings: settings)
        }
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
    let settings: LogSettings
    /// The level of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata = Logger.Metadata()

    init(label: String, writer: LineWriter, settings: LogSettings) {
        self.label = label
        self.writer = writer
        self.settings = settings
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? settings.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        writer.write(settings.format.encode(event, label: label, metadata: metadata))
    }
}
