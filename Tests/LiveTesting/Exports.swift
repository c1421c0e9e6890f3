// Tests import only this module.
@_exported public import WebSocketTesting
