package import HTTPTypes

extension HTTPFields {
    /// The value of a field that a peer sent, to be compared or read; several lines are one list
    /// (RFC 9110 §5.3). `nil` if there is none. Bytes that are no UTF-8 become U+FFFD.
    package subscript(exact name: HTTPField.Name) -> ExactString? {
        self[name].map(ExactString.init(_:))
    }
}
