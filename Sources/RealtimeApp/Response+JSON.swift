import AppInput
import Foundation
import HTTPTypes
import WebSocketServer

/// Answers in JSON.
extension Response {
    /// 422 with all that is wrong with a request.
    static func unprocessable(_ faults: [ValidationFault]) -> Response {
        .encoding(["detail": faults], status: .unprocessableContent)
    }

    /// A value as JSON; slashes are left alone, keys are in order.
    static func encoding(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // Strings, numbers and lists of ours: nothing that JSON can't say.
        let data = try! encoder.encode(value)
        return Response(
            status: status, headerFields: [.contentType: "application/json"], body: [UInt8](data))
    }
}
