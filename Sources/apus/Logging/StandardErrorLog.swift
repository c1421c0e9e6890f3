import Dispatch
import Glibc
import Logging
import Synchronization

/// The program's log on standard error. No event loop ever waits for it.
final class StandardErrorLog: Sendable {
    private static let label = "apus"

    private let writer: LineWriter
    /// The lowest level that is logged.
    let level = LogLevel()

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
        self.level.value = level
        return Logger(label: Self.label) { [writer, level = self.level] in
            LineLogHandler(label: $0, writer: writer, level: level)
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
    private let level: LogLevel
    private var ownLevel: Logger.Level?
    var metadata = Logger.Metadata()

    init(label: String, writer: LineWriter, level: LogLevel = LogLevel()) {
        self.label = label
        self.writer = writer
        self.level = level
    }

    /// The level of the log, which a reload may change for all loggers at once, unless this one has
    /// been given its own.
    var logLevel: Logger.Level {
        get { ownLevel ?? level.value }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        writer.write(LogLine.encode(event, label: label, metadata: metadata, at: time(nil)))
    }
}

/// The lowest level that is logged; any thread.
final class LogLevel: Sendable {
    private let rank = Atomic<Int>(LogLevel.rank(.info))

    var value: Logger.Level {
        get { Logger.Level.allCases[rank.load(ordering: .relaxed)] }
        set { rank.store(Self.rank(newValue), ordering: .relaxed) }
    }

    private static func rank(_ level: Logger.Level) -> Int {
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}
