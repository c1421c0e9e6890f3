import HTTPProtocol
public import HTTPTypes

/// A refusal that a handler throws: a status with a problem+json body (RFC 9457).
public struct Problem: Error, Sendable {
    /// The status of the response, such as 404.
    public var status: HTTPResponse.Status
    /// The reason of the refusal and what to do about it, for the client to read.
    public var detail: String
    /// Further header fields of the response, such as `WWW-Authenticate`.
    public var headerFields: HTTPFields

    /// Creates a refusal.
    public init(
        _ status: HTTPResponse.Status, _ detail: String, headerFields: HTTPFields = [:]
    ) {
        self.status = status
        self.detail = detail
        self.headerFields = headerFields
    }

    var fault: HTTPFault {
        HTTPFault(status: status, detail: detail, headerFields: headerFields)
    }

    var response: Response { Response(problem: fault) }
}

extension Response {
    /// Creates a refusal with its problem+json body.
    init(problem fault: HTTPFault) {
        let (fields, body) = ResponseEncoder.problem(fault)
        self.init(status: fault.status, headerFields: fields, body: body)
    }
}
