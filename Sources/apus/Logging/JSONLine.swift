import Glibc
import Logging

/// One line of the log as a JSON object: `{"time":…,"level":…,"logger":…,"message":…, …}`.
///
/// The fields of an event follow in the order of their names. Numbers and booleans that the program
/// gives as such stay what they are; everything else is text. Whatever peers put into a text, it
/// stays one line of valid JSON: what moves the cursor, ends a line or reverses its direction is
/// escaped.
struct JSONLine {
    /// The names that each line begins with. A field of the same name gets an underscore.
    private static let ownNames: Set<String> = [
        "time", "level", "logger", "source", "message", "truncated",
    ]
    private static let nestingMax = 4

    private var bytes: [UInt8]

    /// Returns the line of an event.
    ///
    /// - Parameters:
    ///   - metadata: The metadata of the handler; that of the event wins.
    ///   - time: The nanoseconds since 1970.
    static func encode(
        _ event: LogEvent, label: String, metadata: Logger.Metadata, at time: Int
    ) -> [UInt8] {
        var line = JSONLine(time)
        line.appendField("level", event.level.rawValue)
        line.appendField("logger", label)
        line.appendField("source", event.source)
        line.appendField("message", event.message.description)
        line.append(event.allMetadata(with: metadata))
        return line.bytes + "}\n".utf8
    }

    private init(_ time: Int) {
        bytes = Array("{\"time\":\"\(Self.timestamp(time))\"".utf8)
    }

    private mutating func appendField(_ name: String, _ text: String) {
        bytes += ",\"\(name)\":".utf8
        bytes.appendJSON(text, sizeMax: LogLine.textSizeMax)
    }

    /// Appends metadata in the order of the keys, as far as it fits.
    private mutating func append(_ metadata: Logger.Metadata) {
        let ending = Array(",\"truncated\":true".utf8)
        let sizeMax = LogLine.sizeMax - ending.count - 2
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            var name = key
            if Self.ownNames.contains(key) {
                repeat { name += "_" } while metadata[name] != nil
            }
            var field = [UInt8(ascii: ",")]
            field.appendJSON(name, sizeMax: 64)
            field.append(UInt8(ascii: ":"))
            field.appendJSON(value, sizeMax: LogLine.textSizeMax, depth: Self.nestingMax)
            guard bytes.count + field.count <= sizeMax else {
                bytes += ending
                return
            }
            bytes += field
        }
    }

    /// Returns a time in UTC, as RFC 3339 has it: `2026-11-24T03:00:00.125Z`.
    ///
    /// - Parameter time: The nanoseconds since 1970.
    static func timestamp(_ time: Int) -> String {
        var (seconds, parts) = (time / 1_000_000_000, tm())
        gmtime_r(&seconds, &parts)
        return "\(parts.text).\((time / 1_000_000 % 1_000).digits(3))Z"
    }
}

extension [UInt8] {
    /// Appends a value of metadata. One that is nested deeply, or too long, becomes text.
    fileprivate mutating func appendJSON(
        _ value: Logger.MetadataValue, sizeMax: Int, depth: Int
    ) {
        let start = count
        switch value {
        case .string(let text): return appendJSON(text, sizeMax: sizeMax)
        case .stringConvertible(let value): return appendJSON(value, sizeMax: sizeMax)
        case .array(let values) where depth > 0:
            append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() where count - start <= sizeMax {
                if index > 0 { append(UInt8(ascii: ",")) }
                appendJSON(value, sizeMax: sizeMax, depth: depth - 1)
            }
            append(UInt8(ascii: "]"))
        case .dictionary(let values) where depth > 0:
            append(UInt8(ascii: "{"))
            let sorted = values.sorted { $0.key < $1.key }
            for (index, (key, value)) in sorted.enumerated() where count - start <= sizeMax {
                if index > 0 { append(UInt8(ascii: ",")) }
                appendJSON(key, sizeMax: 64)
                append(UInt8(ascii: ":"))
                appendJSON(value, sizeMax: sizeMax, depth: depth - 1)
            }
            append(UInt8(ascii: "}"))
        case .array, .dictionary: return appendJSON("\(value)", sizeMax: sizeMax)
        }
        if count - start > sizeMax {
            removeLast(count - start)
            appendJSON("\(value)", sizeMax: sizeMax)
        }
    }

    private mutating func appendJSON(
        _ value: any CustomStringConvertible & Sendable, sizeMax: Int
    ) {
        switch value {
        case let flag as Bool: append(contentsOf: "\(flag)".utf8)
        case let number as any BinaryInteger: append(contentsOf: "\(number)".utf8)
        // JSON has no infinities.
        case let number as Double where number.isFinite: append(contentsOf: "\(number)".utf8)
        default: appendJSON(value.description, sizeMax: sizeMax)
        }
    }

    /// Appends as much of a text as fits into `sizeMax` bytes, in quotes, and an ellipsis if it is
    /// cut.
    ///
    /// Works by Unicode scalars, whose cost is bounded; a character can be arbitrarily long.
    fileprivate mutating func appendJSON(_ text: String, sizeMax: Int) {
        let ellipsis = "…".utf8
        append(UInt8(ascii: "\""))
        let end = count + sizeMax - ellipsis.count
        for scalar in text.unicodeScalars {
            let start = count
            switch scalar {
            case "\"", "\\":
                append(UInt8(ascii: "\\"))
                append(UInt8(ascii: scalar))
            case "\n": append(contentsOf: "\\n".utf8)
            case _ where scalar.isRisky:
                // RFC 8259 §7: all of these are in the Basic Multilingual Plane.
                let digits = String(scalar.value, radix: 16)
                append(contentsOf: "\\u".utf8)
                append(contentsOf: String(repeating: "0", count: 4 - digits.utf8.count).utf8)
                append(contentsOf: digits.utf8)
            default: append(contentsOf: UTF8.encode(scalar)!)
            }
            if count > end {
                removeLast(count - start)
                append(contentsOf: ellipsis)
                break
            }
        }
        append(UInt8(ascii: "\""))
    }
}
