/// A setting that has a range: its name, its place in a configuration, and its range.
///
/// This is the only place of a range. ``ServerConfiguration/validate()`` checks it, and `apus`
/// derives its configuration keys from it.
package struct RangedSetting<Value: SettingValue>: AnyRangedSetting {
    /// The name in Swift, below a ``ServerConfiguration``: `limits.messageSizeMax`.
    package let name: String
    package let range: ClosedRange<Value>
    /// Whether the setting may be `nil`, which stands for "off" or "derived".
    package let isOptional: Bool
    /// Returns the setting's value; `nil` only if it is optional.
    package let value: @Sendable (ServerConfiguration) -> Value?
    /// Sets the value; `nil` is ignored unless the setting is optional.
    package let set: @Sendable (Value?, inout ServerConfiguration) -> Void

    init(
        _ name: String, _ path: any WritableKeyPath<ServerConfiguration, Value> & Sendable,
        _ range: ClosedRange<Value>
    ) {
        self.name = name
        self.range = range
        isOptional = false
        value = { $0[keyPath: path] }
        set = { value, configuration in
            if let value { configuration[keyPath: path] = value }
        }
    }

    init(
        _ name: String,
        optional path: any WritableKeyPath<ServerConfiguration, Value?> & Sendable,
        _ range: ClosedRange<Value>
    ) {
        self.name = name
        self.range = range
        isOptional = true
        value = { $0[keyPath: path] }
        set = { value, configuration in configuration[keyPath: path] = value }
    }

    package func text(in configuration: ServerConfiguration) -> String {
        value(configuration)?.notation ?? "nil"
    }

    package func error(in configuration: ServerConfiguration) -> ConfigurationError? {
        guard let value = value(configuration), !range.contains(value) else { return nil }
        let allowed = "\(range.lowerBound.notation) to \(range.upperBound.notation)"
        return ConfigurationError(
            name: name, value: value.notation, allowed: isOptional ? "nil, or \(allowed)" : allowed)
    }
}

/// A setting with a range of any type.
package protocol AnyRangedSetting: Sendable {
    var name: String { get }
    /// Returns the value for people; `nil` as "nil".
    func text(in configuration: ServerConfiguration) -> String
    /// Returns the error if the value is out of its range.
    func error(in configuration: ServerConfiguration) -> ConfigurationError?
}

/// A value of a setting with a range: a number, a size or a duration.
package protocol SettingValue: Comparable, Sendable {
    /// The value as configuration files have it: `64KiB`, `30s`.
    var notation: String { get }
}

extension Int: SettingValue {
    package var notation: String { String(self) }
}

extension ByteCount: SettingValue {
    /// The units of sizes, the largest first.
    package static let units: [(name: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
    ]

    package var notation: String {
        let unit = Self.units.first { bytes > 0 && bytes.isMultiple(of: $0.bytes) }
        return unit.map { "\(bytes / $0.bytes)\($0.name)" } ?? "\(bytes)"
    }
}

extension Duration: SettingValue {
    /// The units of durations, the largest first.
    package static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]

    package var notation: String {
        if self == .zero { return "0s" }
        let (seconds, attoseconds) = components
        let (thousands, overflows) = seconds.multipliedReportingOverflow(by: 1_000)
        // Only an invalid value is negative, has parts of a millisecond, or is this long.
        guard self > .zero, !overflows, attoseconds.isMultiple(of: 1_000_000_000_000_000) else {
            return "\(self)"
        }
        let milliseconds = thousands + attoseconds / 1_000_000_000_000_000
        let unit = Self.units.first { milliseconds.isMultiple(of: $0.milliseconds) }
        return unit.map { "\(milliseconds / $0.milliseconds)\($0.name)" } ?? "\(milliseconds)ms"
    }
}
