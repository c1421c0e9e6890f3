package import HTTPTypes

extension HTTPFields {
    /// Returns the value of a field for comparing or parsing, or `nil` if the field is missing.
    /// Several lines are one list (RFC 9110 §5.3). Invalid UTF-8 becomes U+FFFD.
    package subscript(exact name: HTTPField.Name) -> ExactString? {
        self[name].map(ExactString.init(_:))
    }
}
