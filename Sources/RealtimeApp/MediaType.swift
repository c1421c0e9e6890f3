import HTTPTypes
import WebSocketServer

extension Request {
    /// The body's media type without parameters, in small letters; `nil` if none is named.
    var mediaType: String? {
        let type = head.headerFields[.contentType]?.prefix { $0 != ";" && $0 != "," }
            .filter { !$0.isWhitespace }.lowercased()
        return type?.isEmpty == true ? nil : type
    }
}
