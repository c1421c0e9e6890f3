/// How often one warning is logged that may come many times a second: the first at once, then one
/// every so often, with the number of those left out. Time is handed in, never read.
struct LogThrottle: Sendable {
    private let interval: Double
    private var openAt = -Double.infinity
    private var leftOut = 0

    /// - Parameter interval: seconds between two.
    init(interval: Double = 10) { self.interval = interval }

    /// Counts one: `nil` if it is to be left out, else how many were since the last that wasn't.
    mutating func admit(at now: Double) -> Int? {
        guard now >= openAt else {
            leftOut += 1
            return nil
        }
        openAt = now + interval
        defer { leftOut = 0 }
        return leftOut
    }
}
