/// The decision, for one measure of load, whether new connections are still welcome.
///
/// It has two thresholds, so that it doesn't flap: the load must reach the upper one to be too
/// high, and stay at or below the lower one for a while before it counts as low again. It has no
/// clock: times are milliseconds that never go back, and are passed in.
struct LoadGauge: Sendable {
    struct Thresholds: Sendable, Equatable {
        /// The value up to which the load is low.
        let low: Int
        /// The value from which on new connections are refused.
        let high: Int
        /// The value from which on they are closed when they are accepted.
        let extreme: Int
        /// The milliseconds for which the value must be high before connections are refused.
        let onset: UInt64
        /// The milliseconds for which it must be low before they are accepted again.
        let recovery: UInt64
    }

    private enum State: Sendable {
        /// Connections are accepted. The load has been high since a time, if it is high.
        case normal(highSince: UInt64?)
        /// Connections are refused. The load has been low since a time, if it is low.
        case overloaded(isExtreme: Bool, lowSince: UInt64?)
    }

    let thresholds: Thresholds
    private var state = State.normal(highSince: nil)

    init(_ thresholds: Thresholds) { self.thresholds = thresholds }

    var level: LoadLevel {
        switch state {
        case .normal: .normal
        case .overloaded(let isExtreme, _): isExtreme ? .extreme : .high
        }
    }

    /// Records a value. Returns whether connections are refused from now on, or accepted again;
    /// `nil` if nothing has changed.
    mutating func record(_ value: Int, now: UInt64) -> Bool? {
        switch state {
        case .normal(let highSince):
            guard value >= thresholds.high else {
                state = .normal(highSince: nil)
                return nil
            }
            let since = highSince ?? now
            guard now - since >= thresholds.onset else {
                state = .normal(highSince: since)
                return nil
            }
            state = .overloaded(isExtreme: value >= thresholds.extreme, lowSince: nil)
            return true
        case .overloaded(let wasExtreme, let lowSince):
            // Between the thresholds, what was extreme stays so.
            let isExtreme = value >= (wasExtreme ? thresholds.high : thresholds.extreme)
            guard value <= thresholds.low else {
                state = .overloaded(isExtreme: isExtreme, lowSince: nil)
                return nil
            }
            let since = lowSince ?? now
            guard now - since >= thresholds.recovery else {
                state = .overloaded(isExtreme: isExtreme, lowSince: since)
                return nil
            }
            state = .normal(highSince: nil)
            return false
        }
    }
}

/// The load of a loop or of the process.
enum LoadLevel: UInt8, Sendable, Comparable {
    case normal
    /// New connections are refused.
    case high
    /// New connections are closed when they are accepted.
    case extreme

    static func < (a: LoadLevel, b: LoadLevel) -> Bool { a.rawValue < b.rawValue }
}
