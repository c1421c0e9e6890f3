package import Logging
import Synchronization

/// A warning that may come many times a second: of each kind the first is logged at once, then one
/// every ten seconds, with the number of `others` that were left out; any thread.
package final class LogThrottle: Sendable {
    private static let interval = Duration.seconds(10)

    private let message: Logger.Message
    private let logger: Logger
    private let kinds = Mutex<[Int32: ThrottledKind]>([:])

    package init(_ message: Logger.Message, logger: Logger) {
        self.message = message
        self.logger = logger
    }

    /// Logs it, or counts it among the others.
    ///
    /// - Parameter kind: an error's code, or what else has few values.
    package func warn(
        _ metadata: @autoclosure () -> Logger.Metadata = [:], kind: Int32 = 0,
        at now: ContinuousClock.Instant = .now
    ) {
        guard let others = admit(kind, at: now) else { return }
        var described = metadata()
        if others > 0 { described["others"] = "\(others)" }
        logger.warning(message, metadata: described)
    }

    /// How many were left out since the last; `nil` if this one is to be, too.
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

/// What a ``LogThrottle`` guards of each kind; not nested in it, which Swift 6.3 miscompiles.
private struct ThrottledKind {
    var openAt: ContinuousClock.Instant
    var leftOut = 0
}
