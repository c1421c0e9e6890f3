package import HTTPTypes

/// A writer of HTTP/1.1 requests, RFC 9112 §3, that appends to the caller's buffer.
package enum RequestEncoder {
    /// Appends head and content.
    ///
    /// `Host` is the authority of the request, or empty without one (RFC 9112 §3.2). The fields
    /// `Host`, `Content-Length` and `Transfer-Encoding` of the request are omitted.
    /// `Content-Length` is written if there is content, or if the method expects some (RFC 9110
    /// §8.6). Bytes that are invalid in a target are percent-encoded.
    package static func encode(
        _ request: HTTPRequest, body: [UInt8], into output: inout [UInt8]
    ) {
        output.append(ascii: request.method.rawValue)
        output.append(0x20)
        appendTarget(request.path ?? "", to: &output)
        output.append(ascii: " HTTP/1.1")
        output.appendLineEnd()
        output.append("Host", request.authority ?? "")
        for field in request.headerFields {
            switch field.name.canonicalName {
            case "host", "content-length", "transfer-encoding": continue
            default: output.append(field: field)
            }
        }
        let expectsContent =
            request.method == .post || request.method == .put || request.method == .patch
        if expectsContent || !body.isEmpty { output.append("Content-Length", String(body.count)) }
        output.appendLineEnd()
        output.append(contentsOf: body)
    }

    private static func appendTarget(_ path: String, to output: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        if path.isEmpty { output.append(0x2F) }
        for byte in path.utf8 {
            if 0x21...0x7E ~= byte {
                output.append(byte)
            } else {
                output.append(0x25)
                output.append(digits[Int(byte >> 4)])
                output.append(digits[Int(byte & 15)])
            }
        }
    }
}
