package import HTTPProtocol

/// A valid task from a client: `{"id":7,"title":"…","description":"…"}`.
///
/// Other members are ignored, including `created_at`, which the server sets.
package struct NewTask: Sendable, Hashable {
    package static let titleSize = 1...200
    package static let descriptionSize = 0...10_000

    package var id: Int64
    package var title: ExactString
    package var description: ExactString?
}

extension NewTask {
    /// Parses the task in a request's body. Returns it, or all errors of the request.
    package static func read(_ body: [UInt8], as type: MediaType) -> Result<
        NewTask, ValidationFaults
    > {
        if body.isEmpty { return .failure([.missing("body")]) }
        guard isJSON(type) else { return .failure([.noObject]) }
        do throws(JSONFault) {
            guard case .object(let members) = try JSONReader.read(body) else {
                return .failure([.noObject])
            }
            return read(members)
        } catch {
            return .failure([ValidationFault(error)])
        }
    }

    private static func read(
        _ members: [ExactString: JSONValue]
    ) -> Result<NewTask, ValidationFaults> {
        var faults: [ValidationFault] = []
        func field<Value>(
            _ name: String,
            _ read: (JSONValue, [ValidationFault.Item]) -> Result<Value, ValidationFault>
        ) -> Value? {
            guard let member = members[ExactString(name)] else {
                faults.append(.missing("body", .text(name)))
                return nil
            }
            switch read(member, ["body", .text(name)]) {
            case .success(let value): return value
            case .failure(let fault):
                faults.append(fault)
                return nil
            }
        }
        let id = field("id", Fields.integer)
        let title = field("title") { Fields.text($0, titleSize, at: $1) }
        var description: ExactString?
        if let member = members["description"], member != .null {
            description = field("description") { _, loc in
                Fields.text(member, descriptionSize, at: loc)
            }
        }
        guard let id, let title, faults.isEmpty else { return .failure(ValidationFaults(faults)) }
        return .success(NewTask(id: id, title: title, description: description))
    }

    /// Returns whether a body of this media type is parsed as JSON.
    ///
    /// Excluded are the types that a page of another origin may send without permission (the
    /// CORS-safelisted types of the Fetch standard): the form of such a page must not create tasks.
    private static func isJSON(_ type: MediaType) -> Bool {
        switch type {
        case .named("application/x-www-form-urlencoded"), .named("multipart/form-data"),
            .named("text/plain"), .malformed:
            false
        case .none, .named: true
        }
    }
}

/// All errors of a request.
package struct ValidationFaults: Error, ExpressibleByArrayLiteral {
    package let all: [ValidationFault]

    package init(_ all: [ValidationFault]) { self.all = all }
    package init(arrayLiteral elements: ValidationFault...) { all = elements }
}

extension ValidationFault {
    /// The error for a body that isn't an object.
    fileprivate static let noObject = ValidationFault(
        loc: ["body"],
        msg: "Input should be a valid dictionary or object to extract fields from",
        type: "model_attributes_type")
}
