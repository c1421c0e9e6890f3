// The types in this module's interface are exported with it, so that embedders import only this
// module.
@_exported public import struct HTTPProtocol.ExactString
@_exported public import HTTPTypes
@_exported public import Logging
@_exported public import PubSub
@_exported public import struct WebSocketProtocol.CloseCode
@_exported public import enum WebSocketProtocol.MessageKind
