import Foundation
import HTTPTypes
import WebSocketServer

/// What a request lacks or has wrong, answered with 422 in the shape that FastAPI's users know:
/// `{"detail":[{"loc":["body","title"],"msg":"Field required","type":"missing"}]}`.
struct ValidationFault: Error, Sendable, Encodable, Hashable {
    /// Where it stands: `body`, `query` or `path`, then the field, or nothing for the whole.
    var loc: [String]
    /// What is wrong and what was expected, for people.
    var msg: String
    /// The kind of fault, for programs: `missing`, `json_invalid`, `string_type`, ….
    var type: String

    /// A field that has to be there and isn't.
    static func missing(_ loc: String...) -> ValidationFault {
        ValidationFault(loc: loc, msg: "Field required", type: "missing")
    }
}

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
