package import HTTPTypes

/// A writer of HTTP/1.1 responses, RFC 9112 §4–§6, that appends to the caller's buffer.
package enum ResponseEncoder {
    /// The complete interim response for a client that sent `Expect: 100-continue`.
    package static let continue100 = [UInt8]("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Appends head and content.
    ///
    /// `Content-Length`, `Transfer-Encoding` and `Connection` in `response` are omitted and written
    /// here. `Connection` is `close` or, for HTTP/1.0, `keep-alive`, with `upgrade` if there is an
    /// `Upgrade` field. A response to HEAD (`isHead`) has the length of `body`, but no content. The
    /// statuses 1xx, 204 and 304 have neither; 205 has the length 0. `date` is an IMF-fixdate (RFC
    /// 9110 §5.6.7) and replaces the response's own.
    package static func encode(
        _ response: HTTPResponse, body: [UInt8], isHead: Bool, keepAlive: Bool, date: String?,
        into output: inout [UInt8]
    ) {
        encodeHead(
            response, .length(body.count), keepAlive: keepAlive, date: date, into: &output)
        // RFC 9110 §9.3.2: a response to HEAD has no content.
        if !isHead, mayHaveContent(response.status) { output.append(contentsOf: body) }
    }

    /// The delimiter of the content of a response, RFC 9112 §6.3.
    package enum Framing {
        /// The content ends after this many bytes.
        case length(Int)
        /// The content ends with the last chunk, RFC 9112 §7.1; only for HTTP/1.1.
        case chunked
        /// The content ends with the connection.
        case untilClose
    }

    /// Returns whether a response with this status may have content: not 1xx, 204, 205 and 304.
    package static func mayHaveContent(_ status: HTTPResponse.Status) -> Bool {
        status.code >= 200 && ![204, 205, 304].contains(status.code)
    }

    /// Appends a chunk (RFC 9112 §7.1). An empty one is omitted, because it would end the content.
    package static func encode(chunk: [UInt8], into output: inout [UInt8]) {
        guard !chunk.isEmpty else { return }
        output.append(ascii: String(chunk.count, radix: 16))
        output.appendLineEnd()
        output.append(contentsOf: chunk)
        output.appendLineEnd()
    }

    /// The end of chunked content.
    package static let lastChunk = [UInt8]("0\r\n\r\n".utf8)

    /// Appends only a head, like ``encode(_:body:isHead:keepAlive:date:into:)``.
    package static func encodeHead(
        _ response: HTTPResponse, _ framing: Framing, keepAlive: Bool, date: String?,
        into output: inout [UInt8]
    ) {
        let code = response.status.code
        output.append(statusLine: response.status)
        if let date { output.append("Date", date) }
        var hasUpgrade = false
        for field in response.headerFields {
            switch field.name {
            case .contentLength, .transferEncoding, .connection: continue
            case .date where date != nil: continue
            case .upgrade: hasUpgrade = true
            default: break
            }
            output.append(field: field)
        }
        let isInterim = code < 200
        if !isInterim {
            // RFC 9112 §9.6: a server announces that it closes the connection. RFC 9110 §7.8:
            // Upgrade is a connection option.
            let upgrade = hasUpgrade ? ", upgrade" : ""
            output.append("Connection", (keepAlive ? "keep-alive" : "close") + upgrade)
        }
        // RFC 9110 §8.6: no Content-Length in 1xx and 204; in a 304, it would have to be that of
        // the 200.
        let hasLength = !isInterim && code != 204 && code != 304
        switch framing {
        // RFC 9110 §15.3.6: a 205 has no content.
        case _ where code == 205: output.append("Content-Length", "0")
        case .length(let size) where hasLength: output.append("Content-Length", String(size))
        case .chunked where hasLength: output.append("Transfer-Encoding", "chunked")
        case .length, .chunked, .untilClose: break
        }
        output.appendLineEnd()
    }

    /// Appends a refusal with an `application/problem+json` body, RFC 9457.
    package static func encode(
        problem fault: HTTPFault, isHead: Bool, keepAlive: Bool, date: String?,
        into output: inout [UInt8]
    ) {
        let (fields, body) = problem(fault)
        encode(
            HTTPResponse(status: fault.status, headerFields: fields), body: body, isHead: isHead,
            keepAlive: keepAlive, date: date, into: &output)
    }

    /// Returns the fields and the `application/problem+json` body of a refusal, RFC 9457.
    ///
    /// The problem's type is `about:blank`, so its title is the reason phrase of the status
    /// (§4.2.1).
    package static func problem(_ fault: HTTPFault) -> (fields: HTTPFields, body: [UInt8]) {
        var body: [UInt8] = []
        body.append(ascii: "{\"type\":\"about:blank\",")
        if !fault.status.reasonPhrase.isEmpty {
            body.append(ascii: "\"title\":")
            body.append(json: fault.status.reasonPhrase)
            body.append(ascii: ",")
        }
        body.append(ascii: "\"status\":\(fault.status.code),\"detail\":")
        body.append(json: fault.detail)
        body.append(ascii: "}")
        var fields = fault.headerFields
        fields[.contentType] = "application/problem+json"
        return (fields, body)
    }

    /// Appends a 101 (RFC 9110 §15.2.2) with the given fields only.
    package static func encodeUpgrade(_ response: HTTPResponse, into output: inout [UInt8]) {
        output.append(statusLine: response.status)
        for field in response.headerFields { output.append(field: field) }
        output.appendLineEnd()
    }
}
