package import HTTPProtocol

/// The parameters of a request to the token endpoint, stricter than other forms (RFC 6749 §3.2).
package struct TokenRequest {
    private let parameters: [ExactString: ExactString]

    /// `nil` if one comes twice, is no UTF-8, or has a `%` without two digits.
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

    /// §3.2: parameters sent without a value must be treated as if they were omitted.
    package subscript(name: ExactString) -> ExactString? {
        parameters[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
