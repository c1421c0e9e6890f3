import HTTPProtocol

/// The errors that prevent a publication.
struct PublishFaults: Error {
    let faults: [ValidationFault]
}

/// The message to publish: `message` in the query, in a form or in a JSON object, or the body as
/// plain text. The query takes precedence.
enum PublishedMessage {
    static func read(
        query: ExactString?, _ body: [UInt8], as type: MediaType
    ) throws(PublishFaults) -> ExactString {
        if let message = query.flatMap({ Form($0)["message"] }) {
            return try text(message, "query", "message")
        }
        switch type {
        case .named("application/json"): return try inJSON(body)
        case .named("application/x-www-form-urlencoded"):
            guard let message = Form(body)["message"] else {
                throw PublishFaults(faults: [.missing("body", "message")])
            }
            return try text(message, "body", "message")
        default: break
        }
        guard !body.isEmpty else { throw PublishFaults(faults: [.missing("query", "message")]) }
        switch type {
        case .none, .named("text/plain"): return try text(body, "body")
        case .named, .malformed:
            throw PublishFaults(faults: [
                ValidationFault(
                    loc: ["body"],
                    msg: "Body should be application/json, application/x-www-form-urlencoded "
                        + "or text/plain",
                    type: "value_error")
            ])
        }
    }

    private static func inJSON(_ body: [UInt8]) throws(PublishFaults) -> ExactString {
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
            // The same errors as for the texts of a task, except that a message may have any
            // length.
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

    private static func text(
        _ bytes: [UInt8], _ loc: ValidationFault.Item...
    ) throws(PublishFaults) -> ExactString {
        guard let text = ExactString(validating: bytes) else {
            throw PublishFaults(faults: [
                ValidationFault(loc: loc, msg: "Input should be UTF-8", type: "string_unicode")
            ])
        }
        return text
    }
}
