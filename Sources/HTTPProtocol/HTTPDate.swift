/// The dates of header fields (RFC 9110 §5.6.7).
package enum HTTPDate {
    static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Returns the text of a time, in seconds since the start of 1970, up to the year 9999
    /// (RFC 9110 §5.6.7, `IMF-fixdate`).
    package static func text(secondsSince1970 seconds: Int) -> String {
        let (days, second) = (seconds / 86_400, seconds % 86_400)
        let (year, month, day) = date(daysSince1970: days)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(second / 3_600)):\(two(second / 60 % 60)):\(two(second % 60))"
        return "\(weekdays[days % 7]), \(two(day)) \(months[month]) \(year) \(clock) GMT"
    }

    /// Returns the date of a day; the month counts from zero.
    static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        // Years that begin in March have their leap day at the end. 719,468 days lie between
        // 1 March 0000 and 1970; 400 years have 146,097.
        let (era, dayOfEra) = (days + 719_468).quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Five months from March on have 153 days, each time.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = (monthFromMarch + 2) % 12
        let year = era * 400 + yearOfEra + (month < 2 ? 1 : 0)
        return (year, month, day)
    }
}
