package import HTTPProtocol

/// The parameters of a request to the token endpoint. They are stricter than other forms (RFC 6749
/// §3.2).
package struct TokenRequest {
    private let parameters: [ExactString: ExactString]

    /// Parses the parameters. Returns `nil` if one is repeated, isn't UTF-8, or has a `%` without
    /// two digits.
    package init?(_ body: [UInt8]) {
        let form = Form(body)
        guard !form.hasBareEscape else { return nil }
        var parameters: [ExactString: ExactString] = [:]
        for field in form.fields {
            guard let name = field.name, let value = ExactString(validating: field.value),
                parameters.updateValue(value, forKey: name) == nil
            else { return nil }
        }
        self.parameters = parameters
    }

    /// Returns the value of a parameter. A parameter without a value must be treated as if it were
    /// omitted (§3.2).
    package subscript(name: ExactString) -> ExactString? {
        parameters[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
