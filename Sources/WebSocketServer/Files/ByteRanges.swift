import HTTPProtocol

/// The parts of a file that a request asks for (RFC 9110 §14).
enum ByteRanges: Equatable {
    /// The whole file: there is no `Range`, or one that is ignored.
    case whole
    /// These ranges, in the order of the request; at least one, and none is empty.
    case parts([Range<Int>])
    /// The file has none of the requested ranges: the response is a 416.
    case unsatisfiable

    /// The most ranges of a request; one with more receives the whole file. Each range costs a part
    /// with its own head, so many small ones would cost more than the file (§14.2).
    static let countMax = 16

    /// Parses a `Range` header field.
    ///
    /// - Parameter size: The size of the file.
    init(_ field: ExactString?, size: Int) {
        // No range of an empty file can be expressed by Content-Range.
        guard let field, size > 0, let specs = Self.specs(of: field) else {
            self = .whole
            return
        }
        var ranges: [Range<Int>] = []
        for spec in specs {
            switch spec {
            case .from(let first, let last):
                if first < size { ranges.append(first..<min(last, size - 1) + 1) }
            case .suffix(let length):
                if length > 0 { ranges.append(max(0, size - length)..<size) }
            }
        }
        if ranges.isEmpty {
            self = .unsatisfiable
        } else if ranges.reduce(0, { $0 + $1.count }) > size {
            // Overlapping ranges: the whole file is less (§14.2).
            self = .whole
        } else {
            self = .parts(ranges)
        }
    }

    private enum Spec {
        case from(Int, through: Int)
        case suffix(Int)
    }

    /// Returns the ranges of a field; `nil` if it is to be ignored: it is invalid, has another unit
    /// than bytes, or too many ranges.
    private static func specs(of field: ExactString) -> [Spec]? {
        let sides = field.utf8.split(
            separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        // §14.1: the names of units are case-insensitive.
        guard sides.count == 2, sides[0].map(\.lowercased).elementsEqual("bytes".utf8) else {
            return nil
        }
        var specs: [Spec] = []
        for element in sides[1].split(separator: UInt8(ascii: ",")) {
            let text = element.trimmed
            // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
            if text.isEmpty { continue }
            guard specs.count < countMax, let spec = spec(text) else { return nil }
            specs.append(spec)
        }
        return specs.isEmpty ? nil : specs
    }

    private static func spec(_ text: Substring.UTF8View) -> Spec? {
        let ends = text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard ends.count == 2 else { return nil }
        if ends[0].isEmpty { return number(ends[1]).map(Spec.suffix) }
        guard let first = number(ends[0]) else { return nil }
        if ends[1].isEmpty { return .from(first, through: .max - 1) }
        // §14.1.1: a range whose end precedes its start is invalid.
        guard let last = number(ends[1]), first <= last else { return nil }
        return .from(first, through: last)
    }

    /// Returns a number of at least one digit; one that is too large is the largest.
    private static func number(_ digits: Substring.UTF8View) -> Int? {
        guard !digits.isEmpty, digits.allSatisfy(\.isDigit) else { return nil }
        return min(Int(String(Substring(digits))) ?? .max, .max - 1)
    }
}

extension Substring.UTF8View {
    /// The text without spaces and tabs at its ends.
    var trimmed: Substring.UTF8View {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var text = self.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text = text.dropLast() }
        return text
    }
}
