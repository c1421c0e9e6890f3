/// The rules for a request's fields, and their words, as FastAPI's users know them from pydantic.
///
/// Each gives the value or says what is wrong with it. As with pydantic, whole numbers may also be
/// written as `7.0`, `"7"` or `true`.
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
            if let integer = Int64(literal) { return .success(integer) }
            if literal.contains(where: { ".eE".contains($0) }) {
                let number = Double(literal) ?? .infinity
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

    /// A whole number written in a text: in a query, or in quotes.
    static func integer(
        _ text: String, at loc: [ValidationFault.Item]
    ) -> Result<Int64, ValidationFault> {
        var digits = text[...]
        while digits.first?.isWhitespace == true { digits.removeFirst() }
        while digits.last?.isWhitespace == true { digits.removeLast() }
        if let point = digits.firstIndex(of: "."), point != digits.startIndex,
            !digits[point...].dropFirst().isEmpty,
            digits[point...].dropFirst().allSatisfy({ $0 == "0" })
        {
            digits = digits[..<point]
        }
        if let integer = Int64(digits) { return .success(integer) }
        let unsigned = digits.first.map { "+-".contains($0) } == true ? digits.dropFirst() : digits
        if !unsigned.isEmpty, unsigned.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .failure(tooLarge(at: loc))
        }
        return .failure(
            ValidationFault(
                loc: loc,
                msg: "Input should be a valid integer, unable to parse string as an integer",
                type: "int_parsing"))
    }

    private static func tooLarge(at loc: [ValidationFault.Item]) -> ValidationFault {
        ValidationFault(
            loc: loc, msg: "Unable to parse input string as an integer, exceeded maximum size",
            type: "int_parsing_size")
    }

    /// A number within a range, which `integer` has read.
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

    /// A text whose characters, counted as Unicode scalars, are as many as `size` allows.
    static func text(
        _ value: JSONValue, _ size: ClosedRange<Int>, at loc: [ValidationFault.Item]
    ) -> Result<String, ValidationFault> {
        func fail(
            _ type: String, _ msg: String, _ ctx: [String: ValidationFault.Item]? = nil
        ) -> Result<String, ValidationFault> {
            .failure(ValidationFault(loc: loc, msg: msg, type: type, ctx: ctx))
        }
        switch value {
        case .string(let text):
            let count = text.unicodeScalars.count
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
            // C programs, SQLite's own shell among them, would take it for the text's end.
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
