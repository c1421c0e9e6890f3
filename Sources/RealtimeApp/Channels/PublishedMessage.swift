import Foundation
import HTTPTypes
import WebSocketServer

/// What keeps a request from being published.
struct PublishFaults: Error {
    let faults: [ValidationFault]
}

/// The message that a request wants published: `message` in its query, in a form or in a JSON
/// object, or its body as plain text; the query goes first.
enum PublishedMessage {
    static func of(_ request: Request) throws(PublishFaults) -> String {
        if let query = request.query {
            if let message = try value(of: "message", inForm: Array(query.utf8), "query") {
                return message
            }
        }
        switch request.mediaType {
        case "application/json": return try inJSON(request.body)
        case "application/x-www-form-urlencoded":
            guard let message = try value(of: "message", inForm: request.body, "body") else {
                throw PublishFaults(faults: [.missing("body", "message")])
            }
            return message
        case nil where !request.body.isEmpty, "text/plain":
            guard !request.body.isEmpty else { break }
            return try text(request.body, "body")
        case .some where !request.body.isEmpty:
            throw PublishFaults(faults: [
                ValidationFault(
                    loc: ["body"],
                    msg: "Body should be application/json, application/x-www-form-urlencoded "
                        + "or text/plain",
                    type: "value_error")
            ])
        default: break
        }
        throw PublishFaults(faults: [.missing("query", "message")])
    }

    private static func inJSON(_ body: [UInt8]) throws(PublishFaults) -> String {
        let json: JSONValue
        do throws(JSONFault) {
            json = try JSONReader.read(body)
        } catch { throw PublishFaults(faults: [ValidationFault(error)]) }
        guard case .object(let members) = json else {
            throw PublishFaults(faults: [
                ValidationFault(
                    loc: ["body"], msg: "Input should be an object", type: "model_attributes_type")
            ])
        }
        switch members["message"] {
        case .string(let message): return message
        case nil: throw PublishFaults(faults: [.missing("body", "message")])
        case let value?:
            // As a task's texts are told of, but that a message may be of any length.
            let isBroken = value == .brokenString
            throw PublishFaults(faults: [
                ValidationFault(
                    loc: ["body", "message"],
                    msg: isBroken
                        ? "Input should be a valid string, unable to parse raw data as a unicode "
                            + "string" : "Input should be a valid string",
                    type: isBroken ? "string_unicode" : "string_type")
            ])
        }
    }

    /// The last value of a name in `name=value&…`, as FastAPI takes it; `nil` if there is none.
    private static func value(
        of name: String, inForm form: [UInt8], _ place: ValidationFault.Item
    ) throws(PublishFaults) -> String? {
        for pair in form.split(separator: UInt8(ascii: "&")).reversed() {
            let sides = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard decoded(sides[0]) == Array(name.utf8) else { continue }
            return try text(sides.count == 2 ? decoded(sides[1]) : [], place, .text(name))
        }
        return nil
    }

    /// A form's way (WHATWG URL §5.1): `+` is a space, and a `%` without two digits is itself.
    private static func decoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                result.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%"), rest.count >= 2,
                rest.prefix(2).allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                result.append(value)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    private static func text(
        _ bytes: [UInt8], _ loc: ValidationFault.Item...
    ) throws(PublishFaults) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PublishFaults(faults: [
                ValidationFault(loc: loc, msg: "Input should be UTF-8", type: "string_unicode")
            ])
        }
        return text
    }
}
