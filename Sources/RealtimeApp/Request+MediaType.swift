import AppInput
import HTTPProtocol
import HTTPTypes
import WebSocketServer

extension Request {
    /// The body's media type.
    var mediaType: MediaType { MediaType(head.headerFields[exact: .contentType]) }
}
