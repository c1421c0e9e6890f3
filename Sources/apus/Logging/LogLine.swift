import Glibc
import Logging

/// One line of the log: `TIME LEVEL LABEL: KEY=VALUE … [SOURCE] MESSAGE`.
///
/// Whatever peers put into a message or a value, it stays one line and one value. Characters that
/// move the cursor, end a line or reverse its direction are escaped. Values that could be taken for
/// several are quoted, and long ones are cut.
struct LogLine {
    /// The maximum size of a line in bytes, including its newline.
    static let sizeMax = 8 << 10
    /// The maximum size in bytes of a message, or of a key and its value, without two quotes.
    static let textSizeMax = 1 << 10

    private(set) var bytes: [UInt8]
    private let tail: [UInt8]

    /// Begins a line with everything but its metadata.
    init(_ level: Logger.Level, label: String, source: String, message: String, at time: time_t) {
        var tail = Array(" [".utf8)
        tail.appendEscaped(source, sizeMax: 64)
        tail += "] ".utf8
        tail.appendEscaped(message, sizeMax: Self.textSizeMax)
        tail.append(UInt8(ascii: "\n"))
        self.tail = tail
        bytes = Array("\(Self.timestamp(time)) \(level.rawValue) \(label):".utf8)
    }

    /// Returns the line of an event.
    ///
    /// - Parameter metadata: The metadata of the handler; that of the event wins.
    static func encode(
        _ event: LogEvent, label: String, metadata: Logger.Metadata, at time: time_t
    ) -> [UInt8] {
        var line = LogLine(
            event.level, label: label, source: event.source, message: event.message.description,
            at: time)
        line.append(event.allMetadata(with: metadata))
        return line.bytes + line.tail
    }

    /// Appends metadata in the order of the keys, as far as it fits.
    private mutating func append(_ metadata: Logger.Metadata) {
        let ellipsis = Array(" …".utf8)
        let sizeMax = Self.sizeMax - tail.count - ellipsis.count
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            var field = [UInt8(ascii: " ")]
            field.appendEscaped(key, sizeMax: 64)
            field.append(UInt8(ascii: "="))
            field.appendValue("\(value)", sizeMax: Self.textSizeMax - field.count)
            guard bytes.count + field.count <= sizeMax else {
                bytes += ellipsis
                return
            }
            bytes += field
        }
    }

    /// Returns a time in the machine's time zone: `2026-11-24T03:00:00+0000`.
    static func timestamp(_ time: time_t) -> String {
        var (time, parts) = (time, tm())
        localtime_r(&time, &parts)
        let minutes = abs(parts.tm_gmtoff) / 60
        let sign = parts.tm_gmtoff < 0 ? "-" : "+"
        return "\(parts.text)\(sign)\((minutes / 60).digits(2))\((minutes % 60).digits(2))"
    }
}

extension [UInt8] {
    /// Appends a value of metadata. It is quoted unless it consists of printable ASCII without
    /// quotes or separators.
    fileprivate mutating func appendValue(_ text: String, sizeMax: Int) {
        let quote = UInt8(ascii: "\"")
        let isPlain = text.utf8.prefix(sizeMax).allSatisfy {
            $0 > 0x20 && $0 < 0x7F && $0 != quote && $0 != UInt8(ascii: "=")
                && $0 != UInt8(ascii: "\\")
        }
        if isPlain, !text.isEmpty { return appendEscaped(text, sizeMax: sizeMax) }
        append(quote)
        appendEscaped(text, sizeMax: sizeMax, inQuotes: true)
        append(quote)
    }

    /// Appends as much of `text` as fits into `sizeMax` bytes, and an ellipsis if it is cut.
    ///
    /// Works by Unicode scalars, whose cost is bounded; a character can be arbitrarily long.
    fileprivate mutating func appendEscaped(_ text: String, sizeMax: Int, inQuotes: Bool = false) {
        let ellipsis = "…".utf8
        let end = count + sizeMax - ellipsis.count
        for scalar in text.unicodeScalars {
            let start = count
            if scalar.isRisky {
                append(contentsOf: scalar.escaped(asASCII: true).utf8)
            } else if inQuotes, scalar == "\"" || scalar == "\\" {
                append(UInt8(ascii: "\\"))
                append(UInt8(ascii: scalar))
            } else {
                append(contentsOf: UTF8.encode(scalar)!)
            }
            if count > end {
                removeLast(count - start)
                append(contentsOf: ellipsis)
                return
            }
        }
    }
}

extension Unicode.Scalar {
    /// Whether the scalar is a control character, ends a line, or changes the direction of text.
    var isRisky: Bool {
        switch value {
        case 0x00..<0x20, 0x7F..<0xA0, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069:
            true
        default: false
        }
    }
}
