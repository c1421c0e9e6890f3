import HTTPProtocol
import HTTPTypes

/// The validators of a file, and the decision what a request with conditions receives (RFC 9110
/// §13).
struct FileConditions {
    enum Verdict: Equatable {
        /// The request is answered as if it had no conditions, but for If-Range.
        case proceed
        /// 304.
        case notModified
        /// 412.
        case preconditionFailed
    }

    /// The strong entity tag, with its quotation marks. It doesn't show a change that keeps the
    /// size, within one step of the file system's clock (some milliseconds).
    let tag: String
    /// The time of the last change in seconds since 1970; `nil` if it lies in the future, or before
    /// 1970 (§8.8.2.1).
    let modified: Int?
    /// The current time in seconds since 1970.
    let now: Int

    init(size: Int, seconds: Int, nanoseconds: Int, now: Int) {
        let time = UInt64(bitPattern: Int64(seconds))
        tag =
            "\"\(String(size, radix: 16))-\(String(time, radix: 16))"
            + "-\(String(nanoseconds, radix: 16))\""
        modified = (0...max(0, now)).contains(seconds) ? seconds : nil
        self.now = now
    }

    /// Evaluates the conditions in the order of §13.2.2.
    func evaluate(_ fields: HTTPFields) -> Verdict {
        if let tags = fields[exact: .ifMatch] {
            // §13.1.1: strong comparison.
            guard Self.contains(tag, in: tags, isWeak: false) else { return .preconditionFailed }
        } else if let date = date(fields[exact: .ifUnmodifiedSince]), let modified {
            guard modified <= date else { return .preconditionFailed }
        }
        if let tags = fields[exact: .ifNoneMatch] {
            // §13.1.2: weak comparison.
            return Self.contains(tag, in: tags, isWeak: true) ? .notModified : .proceed
        }
        if let date = date(fields[exact: .ifModifiedSince]), let modified, modified <= date {
            return .notModified
        }
        return .proceed
    }

    /// Returns whether the ranges of a request apply: If-Range is missing, or names this version.
    func allowsRange(_ fields: HTTPFields) -> Bool {
        guard let condition = fields[exact: .ifRange] else { return true }
        // §13.1.5: strong comparison, or exactly the same date.
        if condition.utf8.first == UInt8(ascii: "\"") { return condition == ExactString(tag) }
        guard let date = date(condition), let modified else { return false }
        // §8.8.2.2: a date is a weak validator if the file may have changed again within its second.
        return date == modified && modified < now - 1
    }

    private func date(_ field: ExactString?) -> Int? {
        field.flatMap { HTTPDate.seconds(of: $0, now: now) }
    }

    /// Returns whether a list of entity tags contains `tag`, which is strong. `*` stands for any.
    static func contains(_ tag: String, in list: ExactString, isWeak: Bool) -> Bool {
        let bytes = Array(list.utf8)
        if bytes == [UInt8(ascii: "*")] { return true }
        let wanted = Array(tag.utf8)
        let quote = UInt8(ascii: "\"")
        var rest = bytes[...]
        // An opaque tag may contain commas, so the list can't be split at them (§8.8.3).
        while true {
            rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == UInt8(ascii: ",") }
            let hasPrefix = rest.starts(with: "W/".utf8)
            let start = hasPrefix ? rest.dropFirst(2) : rest
            guard start.first == quote, let end = start.dropFirst().firstIndex(of: quote) else {
                return false
            }
            if start[start.startIndex...end].elementsEqual(wanted), isWeak || !hasPrefix {
                return true
            }
            rest = start[(end + 1)...]
        }
    }
}
