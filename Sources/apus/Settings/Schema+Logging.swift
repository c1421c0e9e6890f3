import Logging
import WebSocketServer

/// The settings of the log.
struct LoggingSettings: Sendable {
    /// The level below which records are dropped.
    var level = Logger.Level.info
    var format = LogFormat.text
    /// Whether there is an access log.
    var hasAccess = false
    /// The access lines of each event loop in a second; `nil` is no limit.
    var accessRate: Int? = 1_000
}

/// The keys of the log.
extension Schema {
    static let logging: [Key] = [
        Key(
            "log.level", Choice.logLevel, \.log.level,
            "The lowest level that is logged."),
        Key(
            "log.format", Choice([("text", .text), ("json", .json)]), \.log.format,
            "The form of the log: `text` for people, or `json` with one object a line."),
        Key(
            "log.access", Choice.flag, \.log.hasAccess,
            """
            Whether to log a line for each request, and for each connection when it ends, whatever \
            `log.level` is.
            """),
        Key(
            "log.access_rate", WholeNumber(1...1_000_000).orZero("no limit"), \.log.accessRate,
            """
            The number of access lines that each event loop writes in a second. Further ones are \
            counted.
            """),
        Key(
            "log.slow_turn", RangedSettings.slowTurn, zero: "off",
            "The CPU time of one turn of an event loop beyond which the turn is logged."),
    ]
}
