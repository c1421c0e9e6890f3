// The types of other modules that every program meets in this module's interface are exported with
// it, so that programs import only this module.

@_exported public import struct HTTPProtocol.ExactString
@_exported public import struct HTTPTypes.HTTPField
@_exported public import struct HTTPTypes.HTTPFields
@_exported public import struct HTTPTypes.HTTPRequest
@_exported public import struct HTTPTypes.HTTPResponse
@_exported public import struct Logging.Logger
// Topics, publications and brokers.
@_exported public import PubSub
@_exported public import struct WebSocketProtocol.CloseCode
@_exported public import enum WebSocketProtocol.MessageKind
