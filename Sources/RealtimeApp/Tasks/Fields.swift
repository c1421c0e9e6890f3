import HTTPProtocol

/// The validation of request fields, with the rules and messages of pydantic, which users of
/// FastAPI know.
///
/// Each function returns the value or the error. As in pydantic, whole numbers may also be written
/// as `7.0`, `"7"`, `"1_000"` or `true`.
enum Fields {
    static func integer(
        _ value: JSONValue, at loc: [ValidationFault.Item]
    ) -> Result<Int64, ValidationFault> {
        func fail(_ type: String, _ msg: String) -> Result<Int64, ValidationFault> {
            .failure(ValidationFault(loc: loc, msg: msg, type: type))
        }
        switch value {
        case .bool(let flag): return .success(flag ? 1 : 0)
        case .string(let text): return integer(text, at: loc)
        case .number(let literal):
            if let integer = Int64(literal.string) { return .success(integer) }
            if literal.utf8.contains(where: { ".eE".utf8.contains($0) }) {
                let number = Double(literal.string) ?? .infinity
                if let integer = Int64(exactly: number) { return .success(integer) }
                guard number.isFinite else {
                    return fail("finite_number", "Input should be a finite number")
                }
                if number.rounded() != number {
                    return fail(
                        "int_from_float",
                        "Input should be a valid integer, got a number with a fractional part")
                }
            }
            return .failure(tooLarge(at: loc))
        default: return fail("int_type", "Input should be a valid integer")
        }
    }

    /// Parses a whole number in a text: in a query, or in quotes.
    static func integer(
        _ text: ExactString, at loc: [ValidationFault.Item]
    ) -> Result<Int64, ValidationFault> {
        if let digits = digits(of: text) {
            return Int64(digits).map(Result.success) ?? .failure(tooLarge(at: loc))
        }
        return .failure(
            ValidationFault(
                loc: loc,
                msg: "Input should be a valid integer, unable to parse string as an integer",
                type: "int_parsing"))
    }

    /// Returns the sign and the digits of a whole number in a text, as pydantic does. It ignores
    /// whitespace around the number, one sign, single underscores between digits, and zeros after a
    /// decimal point. Returns `nil` for other texts.
    private static func digits(of text: ExactString) -> String? {
        var scalars = text.string.unicodeScalars[...]
        scalars = scalars.drop { $0.properties.isWhitespace }
        while scalars.last?.properties.isWhitespace == true { scalars = scalars.dropLast() }
        var rest = Array(Substring(scalars).utf8)[...]
        var digits: [UInt8] = []
        if let sign = rest.first, "+-".utf8.contains(sign) {
            digits.append(sign)
            rest = rest.dropFirst()
        }
        var isBehindDigit = false
        while let byte = rest.first, byte.isDigit || byte == UInt8(ascii: "_") && isBehindDigit {
            isBehindDigit = byte.isDigit
            if isBehindDigit { digits.append(byte) }
            rest = rest.dropFirst()
        }
        guard isBehindDigit else { return nil }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard !rest.isEmpty, rest.allSatisfy({ $0 == UInt8(ascii: "0") }) else { return nil }
        } else {
            guard rest.isEmpty else { return nil }
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static func tooLarge(at loc: [ValidationFault.Item]) -> ValidationFault {
        ValidationFault(
            loc: loc, msg: "Unable to parse input string as an integer, exceeded maximum size",
            type: "int_parsing_size")
    }

    /// Checks that a number is within a range; `integer` has parsed it.
    static func within(
        _ range: ClosedRange<Int64>, _ value: Int64, at loc: [ValidationFault.Item]
    ) -> Result<Int64, ValidationFault> {
        if range.contains(value) { return .success(value) }
        let isLess = value < range.lowerBound
        let bound = isLess ? range.lowerBound : range.upperBound
        return .failure(
            ValidationFault(
                loc: loc,
                msg: "Input should be \(isLess ? "greater" : "less") than or equal to \(bound)",
                type: isLess ? "greater_than_equal" : "less_than_equal",
                ctx: [isLess ? "ge" : "le": .number(Int(bound))]))
    }

    /// Checks the number of characters, counted as Unicode scalars, against `size`.
    static func text(
        _ value: JSONValue, _ size: ClosedRange<Int>, at loc: [ValidationFault.Item]
    ) -> Result<ExactString, ValidationFault> {
        func fail(
            _ type: String, _ msg: String, _ ctx: [String: ValidationFault.Item]? = nil
        ) -> Result<ExactString, ValidationFault> {
            .failure(ValidationFault(loc: loc, msg: msg, type: type, ctx: ctx))
        }
        switch value {
        case .string(let text):
            let count = text.string.unicodeScalars.count
            if count < size.lowerBound {
                return fail(
                    "string_too_short",
                    "String should have at least \(counted(size.lowerBound))",
                    ["min_length": .number(size.lowerBound)])
            }
            if count > size.upperBound {
                return fail(
                    "string_too_long", "String should have at most \(counted(size.upperBound))",
                    ["max_length": .number(size.upperBound)])
            }
            // C programs, including SQLite's shell, would take it for the end of the text.
            if text.utf8.contains(0) {
                return fail("value_error", "Value error, text must not contain NUL")
            }
            return .success(text)
        case .brokenString:
            return fail(
                "string_unicode",
                "Input should be a valid string, unable to parse raw data as a unicode string")
        default: return fail("string_type", "Input should be a valid string")
        }
    }

    private static func counted(_ count: Int) -> String {
        "\(count) character\(count == 1 ? "" : "s")"
    }
}
