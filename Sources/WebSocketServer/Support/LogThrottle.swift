package import Logging
import Synchronization

/// A log message that peers can cause many times a second; any thread.
///
/// The first message of each kind is logged at once, then one every ten seconds, with the number of
/// `others` in between. The others are logged at level `debug`.
package final class LogThrottle: Sendable {
    private static let interval = Duration.seconds(10)

    private let message: Logger.Message
    private let level: Logger.Level
    private let logger: Logger
    private let kinds = Mutex<[Int32: ThrottledKind]>([:])

    package init(_ message: Logger.Message, level: Logger.Level = .warning, logger: Logger) {
        self.message = message
        self.level = level
        self.logger = logger
    }

    /// Logs the message, or counts it among the others.
    ///
    /// - Parameter kind: An error's code, or another number with few values.
    package func log(
        _ metadata: @autoclosure () -> Logger.Metadata = [:], kind: Int32 = 0,
        at now: ContinuousClock.Instant = .now
    ) {
        guard let others = admit(kind, at: now) else {
            return logger.debug(message, metadata: metadata())
        }
        var described = metadata()
        if others > 0 { described["others"] = "\(others)" }
        logger.log(level: level, message, metadata: described)
    }

    /// Returns the number left out since the last message; `nil` if this one is left out, too.
    private func admit(_ kind: Int32, at now: ContinuousClock.Instant) -> Int? {
        kinds.withLock { kinds in
            let known = kinds[kind]
            if let known, now < known.openAt {
                kinds[kind]!.leftOut += 1
                return nil
            }
            kinds[kind] = ThrottledKind(openAt: now + Self.interval)
            return known?.leftOut ?? 0
        }
    }
}

/// The state of one kind of a ``LogThrottle``; not nested in it, which Swift 6.3 miscompiles.
private struct ThrottledKind {
    var openAt: ContinuousClock.Instant
    var leftOut = 0
}
