import Glibc

extension tm {
    /// The date and the time of day: `2026-11-24T03:00:00`.
    var text: String {
        let date = [
            (Int(tm_year) + 1_900).digits(4), (Int(tm_mon) + 1).digits(2), Int(tm_mday).digits(2),
        ]
        let clock = [tm_hour, tm_min, tm_sec].map { Int($0).digits(2) }
        return date.joined(separator: "-") + "T" + clock.joined(separator: ":")
    }
}

extension Int {
    /// Returns at least `count` digits.
    func digits(_ count: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, count - text.utf8.count)) + text
    }
}
