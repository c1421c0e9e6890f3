import Foundation

/// Numbers formatted for people: three significant digits and a unit.
package enum Figures {
    /// Returns three significant digits, thousands with commas: `0.123`, `12.3`, `1,230`.
    package static func number(_ value: Double) -> String {
        let size = abs(value)
        if size == 0 { return "0" }
        if size >= 99.95 { return grouped(Int(value.rounded())) }
        let places = size < 0.995 ? 3 : size < 9.995 ? 2 : 1
        return String(format: "%.\(places)f", value)
    }

    /// Returns the number for an axis: without trailing zeros.
    package static func short(_ value: Double) -> String {
        var text = number(value)
        guard text.contains(".") else { return text }
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    package static func grouped(_ value: Int) -> String {
        let digits = Array(String(abs(value)))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// Returns a number of bytes, with a binary unit from 10 KiB on.
    package static func bytes(_ value: Double) -> String {
        let size = abs(value)
        if size >= 10 * 1_048_576 { return "\(number(value / 1_048_576)) MiB" }
        if size >= 10 * 1_024 { return "\(number(value / 1_024)) KiB" }
        return "\(number(value)) B"
    }

    /// Returns a message's size in the usual form: `64 B`, `4 KiB`.
    package static func size(_ bytes: Int) -> String {
        bytes >= 1_024 && bytes.isMultiple(of: 1_024) ? "\(bytes >> 10) KiB" : "\(bytes) B"
    }

    package static func microseconds(_ value: Double) -> String {
        let size = abs(value)
        if size >= 1e6 { return "\(number(value / 1e6)) s" }
        if size >= 1e4 { return "\(number(value / 1e3)) ms" }
        return "\(number(value)) µs"
    }

    package static func percent(_ share: Double) -> String {
        share < 0.0995
            ? String(format: "%.1f %%", share * 100) : "\(Int((share * 100).rounded())) %"
    }

    /// Returns a speed in bits per second with a unit.
    package static func linkSpeed(megabits: Double) -> String {
        if megabits >= 999.5 { return "\(number(megabits / 1_000)) Gbit/s" }
        return "\(number(megabits)) Mbit/s"
    }
}
