import AppInput
import Foundation
import HTTPTypes
import WebSocketServer

/// Responses in JSON.
extension Response {
    /// Returns a 422 with all errors of a request.
    static func unprocessable(_ faults: [ValidationFault]) -> Response {
        .encoding(["detail": faults], status: .unprocessableContent)
    }

    /// Returns a value as JSON, with sorted keys and unescaped slashes.
    static func encoding(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // Strings, numbers and lists of this program can always be encoded.
        let data = try! encoder.encode(value)
        return Response(
            status: status, headerFields: [.contentType: "application/json"], body: [UInt8](data))
    }
}
