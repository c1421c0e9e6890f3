// What embedders meet in this module's interface belongs to it: they import it alone.
@_exported public import struct HTTPProtocol.ExactString
@_exported public import HTTPTypes
@_exported public import Logging
@_exported public import PubSub
@_exported public import struct WebSocketProtocol.CloseCode
@_exported public import enum WebSocketProtocol.MessageKind
