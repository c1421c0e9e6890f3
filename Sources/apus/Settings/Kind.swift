import Foundation
import WebSocketServer

/// A kind of value: its notation, its valid values, and its printed form.
protocol Kind: Sendable {
    associatedtype Value: Sendable & Equatable

    /// The allowed values in words, for error messages, the file's comments and the table.
    var accepted: String { get }

    /// Parses a value; `write` turns the result into its one canonical form.
    func parse(_ text: String) throws(Rejection) -> Value

    func write(_ value: Value) -> String
}

/// A kind whose values are lists separated by commas.
protocol ListKind: Kind {}

/// The reason why a text is invalid; completes the sentence "VALUE is …".
struct Rejection: Error {
    let problem: String

    static let outOfRange = Rejection(problem: "out of range")
}

/// A kind whose values have a minimum and a maximum.
protocol RangedKind: Kind where Value: Comparable {
    var range: ClosedRange<Value> { get }
    static var zero: Value { get }

    /// Parses a value without checking its range, which is checked afterwards.
    func scan(_ text: String) throws(Rejection) -> Value
}

extension RangedKind {
    var rangeInWords: String { "\(write(range.lowerBound)) to \(write(range.upperBound))" }
    var accepted: String { rangeInWords }

    func parse(_ text: String) throws(Rejection) -> Value {
        let value = try scan(text)
        guard range.contains(value) else { throw .outOfRange }
        return value
    }

    /// Returns a kind that also accepts zero and reads it as `nil`; `meaning` explains the zero.
    func orZero(_ meaning: String) -> OrZero<Self> { OrZero(base: self, meaning: meaning) }
}

/// A ranged kind that also accepts zero, which is read as `nil`: "off", "never", "derived".
struct OrZero<Base: RangedKind>: Kind {
    let base: Base
    let meaning: String

    var accepted: String { "\(base.write(Base.zero)) (\(meaning)) or \(base.rangeInWords)" }

    func parse(_ text: String) throws(Rejection) -> Base.Value? {
        let value = try base.scan(text)
        if value == Base.zero { return nil }
        guard base.range.contains(value) else { throw .outOfRange }
        return value
    }

    func write(_ value: Base.Value?) -> String { base.write(value ?? Base.zero) }
}

/// A whole number.
struct WholeNumber: RangedKind {
    static let zero = 0
    let range: ClosedRange<Int>

    init(_ range: ClosedRange<Int>) { self.range = range }

    func scan(_ text: String) throws(Rejection) -> Int {
        let digits = text.first == "-" ? text.dropFirst() : text[...]
        guard isDigits(digits) else { throw Rejection(problem: "not a whole number") }
        guard let value = Int(text) else { throw .outOfRange }
        return value
    }

    func write(_ value: Int) -> String { String(value) }
}

/// A number of bytes: plain, or in KiB, MiB or GiB.
struct Size: RangedKind {
    static let zero = ByteCount(0)
    let range: ClosedRange<ByteCount>

    init(_ range: ClosedRange<ByteCount>) { self.range = range }

    func scan(_ text: String) throws(Rejection) -> ByteCount {
        let (count, unit) = try splitUnit(of: text, names: ByteCount.units.map(\.name) + [""]) {
            "not a size: write bytes, as 65536, or KiB, MiB or GiB, as 64KiB"
        }
        let factor = ByteCount.units.first { $0.name == unit }?.bytes ?? 1
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw .outOfRange }
        return ByteCount(bytes)
    }

    func write(_ value: ByteCount) -> String { value.notation }
}

/// A duration: a whole number of ms, s, m, h or d.
struct TimeSpan: RangedKind {
    static let zero = Duration.zero
    let range: ClosedRange<Duration>

    init(_ range: ClosedRange<Duration>) { self.range = range }

    func scan(_ text: String) throws(Rejection) -> Duration {
        let (count, unit) = try splitUnit(of: text, names: Duration.units.map(\.name)) {
            "not a duration: write a whole number with ms, s, m, h or d, as 30s"
        }
        let factor = Duration.units.first { $0.name == unit }?.milliseconds ?? 1
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: Int(factor))
        guard !overflow else { throw .outOfRange }
        return .milliseconds(milliseconds)
    }

    func write(_ value: Duration) -> String { value.notation }
}

/// A value of a ``RangedSetting`` of the library, whose kind has the setting's range.
protocol RangedValue: SettingValue {
    associatedtype Ranged: RangedKind where Ranged.Value == Self
    static func kind(_ range: ClosedRange<Self>) -> Ranged
}

extension Int: RangedValue {
    static func kind(_ range: ClosedRange<Int>) -> WholeNumber { WholeNumber(range) }
}

extension ByteCount: RangedValue {
    static func kind(_ range: ClosedRange<ByteCount>) -> Size { Size(range) }
}

extension Duration: RangedValue {
    static func kind(_ range: ClosedRange<Duration>) -> TimeSpan { TimeSpan(range) }
}

extension RangedSetting where Value: RangedValue {
    /// The kind with this range.
    var kind: Value.Ranged { Value.kind(range) }
}

/// Splits `64KiB` into 64 and `KiB`, with an optional space between.
private func splitUnit(
    of text: String, names: [String], problem: () -> String
) throws(Rejection) -> (count: Int, unit: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    var unit = text[digits.endIndex...]
    if unit.first == " " { unit = unit.dropFirst() }
    guard isDigits(digits), names.contains(String(unit)) else {
        throw Rejection(problem: problem())
    }
    guard let count = Int(digits) else { throw .outOfRange }
    return (count, String(unit))
}

private func isDigits(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
}
