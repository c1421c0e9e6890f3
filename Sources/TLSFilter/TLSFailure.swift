import CLibSSL

/// A problem with a file of certificates or keys, or with TLS as a whole.
package struct TLSFailure: Error, CustomStringConvertible {
    /// The file that is the problem; `nil` if none is.
    package let file: String?
    package let problem: String

    package init(_ problem: String, file: String? = nil) {
        self.file = file
        self.problem = problem
    }

    package var description: String { file.map { "\($0): \(problem)" } ?? problem }
}

/// Returns the reason of the last error of OpenSSL in this thread, and forgets all of them.
func takeReason() -> String {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    guard code != 0 else { return "the connection was closed" }
    if let text = unsafe ERR_reason_error_string(code) { return unsafe String(cString: text) }
    return "error \(code)"
}
