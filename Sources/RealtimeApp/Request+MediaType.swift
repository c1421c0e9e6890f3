import HTTPProtocol
import HTTPTypes
import WebSocketServer

extension Request {
    /// The media type of the body.
    var mediaType: MediaType { MediaType(head.headerFields[exact: .contentType]) }
}
