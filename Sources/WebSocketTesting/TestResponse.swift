import HTTPProtocol
public import HTTPTypes

/// A response of a ``TestServer``.
public struct TestResponse: Sendable {
    /// The status.
    public var status: HTTPResponse.Status
    /// The header fields.
    public var headerFields: HTTPFields
    /// The body without its framing; empty if there is none.
    public var body: [UInt8]

    /// The body as UTF-8. Invalid UTF-8 is repaired.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// Parses a complete response, behind interim ones; `nil` if it isn't complete.
    init?(_ bytes: [UInt8], isHead: Bool, hasEnded: Bool) throws {
        var parser = ResponseParser(
            limits: HTTPLimits(
                headSizeMax: 1 << 20, headerCountMax: 1_000, bodySizeMax: .max / 2))
        parser.isHead = isHead
        var head: HTTPResponse?
        var body: [UInt8] = []
        var rest = bytes[...]
        while true {
            let (event, consumed) = unsafe rest.withUnsafeBytes { unsafe parser.parse($0) }
            let input = rest
            rest = rest.dropFirst(consumed)
            switch event {
            case .head(let response): head = response
            case .body(let range):
                let start = input.startIndex
                body += input[start + range.lowerBound..<start + range.upperBound]
            case .end:
                guard let head, head.status.kind != .informational else { continue }
                self.init(status: head.status, headerFields: head.headerFields, body: body)
                return
            case .needMore:
                // The body may end with the connection (RFC 9112 §6.3).
                guard hasEnded, let head, head.headerFields[.contentLength] == nil,
                    head.headerFields[.transferEncoding] == nil
                else { return nil }
                self.init(status: head.status, headerFields: head.headerFields, body: body)
                return
            case .failed(let fault): throw TestFailure(description: "\(fault.detail)")
            }
        }
    }

    private init(status: HTTPResponse.Status, headerFields: HTTPFields, body: [UInt8]) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }
}

/// An error that a test's server or client has found.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String

    static let stopped = TestFailure(description: "the test server has been stopped")
}
