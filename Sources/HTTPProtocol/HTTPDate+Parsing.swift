/// The three forms of a date that a recipient must accept (RFC 9110 §5.6.7).
extension HTTPDate {
    /// Parses a date. Returns the seconds since the start of 1970, or `nil` if the text is no valid
    /// date from 1970 to 9999. The name of the weekday isn't compared with the date.
    ///
    /// - Parameter now: The current time in seconds, for years of two digits.
    package static func seconds(of text: ExactString, now: Int) -> Int? {
        let words = text.utf8.split(separator: UInt8(ascii: " ")).map(Array.init)
        switch words.count {
        // Sun, 06 Nov 1994 08:49:37 GMT
        case 6 where isWord(words[0], in: shortDays, comma: true) && words[5] == gmt:
            return seconds(year: number(words[3], 4), words[2], number(words[1], 2), words[4])
        // Sunday, 06-Nov-94 08:49:37 GMT
        case 4 where isWord(words[0], in: longDays, comma: true) && words[3] == gmt:
            let parts = words[1].split(separator: UInt8(ascii: "-")).map(Array.init)
            guard parts.count == 3, let short = number(parts[2], 2) else { return nil }
            let current = date(daysSince1970: now / 86_400).year
            // A year that seems to be more than 50 years in the future is the most recent past year
            // with the same two digits (RFC 9110 §5.6.7).
            var year = current / 100 * 100 + short
            if year > current + 50 { year -= 100 }
            return seconds(year: year, parts[1], number(parts[0], 2), words[2])
        // Sun Nov  6 08:49:37 1994
        case 5 where isWord(words[0], in: shortDays, comma: false):
            let day = number(words[2], words[2].count == 1 ? 1 : 2)
            return seconds(year: number(words[4], 4), words[1], day, words[3])
        default: return nil
        }
    }

    private static let gmt = Array("GMT".utf8)
    private static let shortDays = weekdays.map { Array($0.utf8) }
    private static let longDays = [
        "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday",
    ].map { Array($0.utf8) }
    private static let monthNames = months.map { Array($0.utf8) }

    private static func isWord(_ word: [UInt8], in names: [[UInt8]], comma: Bool) -> Bool {
        if comma, word.last != UInt8(ascii: ",") { return false }
        return names.contains(comma ? word.dropLast() : word)
    }

    /// Returns a number of exactly `count` digits.
    private static func number(_ digits: some Collection<UInt8>, _ count: Int) -> Int? {
        guard digits.count == count, digits.allSatisfy(\.isDigit) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private static func seconds(
        year: Int?, _ monthName: [UInt8], _ day: Int?, _ clock: [UInt8]
    ) -> Int? {
        let parts = clock.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard let year, (1970...9999).contains(year), let day, parts.count == 3,
            let month = monthNames.firstIndex(of: monthName),
            let hour = number(parts[0], 2), let minute = number(parts[1], 2),
            let second = number(parts[2], 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = daysSince1970(year: year, month: month, day: day)
        // Refuses days such as February 30, which would be a day of the next month.
        guard date(daysSince1970: days) == (year, month, day) else { return nil }
        return days * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// Returns the number of a day; the month counts from zero. The inverse of
    /// ``date(daysSince1970:)``.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        let year = month < 2 ? year - 1 : year
        let (era, yearOfEra) = year.quotientAndRemainder(dividingBy: 400)
        let monthFromMarch = (month + 10) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }
}
