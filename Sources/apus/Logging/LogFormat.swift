import Glibc
import Logging
import Synchronization
import UVTransport
import WebSocketServer

/// The form of the log's lines.
enum LogFormat: UInt8, Sendable {
    /// `TIME LEVEL LOGGER: KEY=VALUE … [SOURCE] MESSAGE`, see ``LogLine``.
    case text
    /// One JSON object a line, see ``JSONLine``.
    case json

    /// Returns the line of an event, at the present time.
    func encode(_ event: LogEvent, label: String, metadata: Logger.Metadata) -> [UInt8] {
        switch self {
        case .text:
            return LogLine.encode(event, label: label, metadata: metadata, at: time(nil))
        case .json:
            return JSONLine.encode(
                event, label: label, metadata: metadata, at: SystemClock.realTime)
        }
    }
}

/// The settings of a log that may change while it is in use; any thread.
final class LogSettings: Sendable {
    private let levelIndex = Atomic<Int>(LogSettings.index(of: .info))
    private let formatNumber = Atomic<UInt8>(LogFormat.text.rawValue)

    /// The lowest level that is logged, by loggers that have no level of their own.
    var level: Logger.Level {
        get { Logger.Level.allCases[levelIndex.load(ordering: .relaxed)] }
        set { levelIndex.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    var format: LogFormat {
        get { LogFormat(rawValue: formatNumber.load(ordering: .relaxed)) ?? .text }
        set { formatNumber.store(newValue.rawValue, ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int {
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}

extension LogSettings {
    /// Sets what the configuration says.
    func apply(_ settings: LoggingSettings) {
        level = settings.level
        format = settings.format
    }
}

extension LoggingSettings {
    /// Returns the options of the access log, which is written to `log`; `nil` if there is none.
    func accessOptions(_ log: StandardErrorLog) -> AccessLogConfiguration? {
        guard hasAccess else { return nil }
        var options = AccessLogConfiguration(logger: log.accessLogger())
        options.linesPerSecondMax = accessRate
        return options
    }
}

extension LogEvent {
    /// Returns the metadata of a handler and of the event, which wins, with the event's error.
    func allMetadata(with metadata: Logger.Metadata) -> Logger.Metadata {
        var merged = metadata
        if let own = self.metadata { merged.merge(own) { _, own in own } }
        if let error {
            merged["error.message"] = "\(error)"
            merged["error.type"] = "\(String(reflecting: type(of: error)))"
        }
        return merged
    }
}
