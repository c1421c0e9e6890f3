public import WebSocketProtocol

/// A whole message, kept.
public struct Message: Sendable, Hashable {
    public let kind: MessageKind
    public let bytes: [UInt8]

    public init(_ text: String) {
        kind = .text
        bytes = [UInt8](text.utf8)
    }

    public init(_ bytes: [UInt8], as kind: MessageKind = .binary) {
        self.kind = kind
        self.bytes = bytes
    }

    /// The text of the payload, whatever its kind.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// The connection is gone, or closing: nothing can be sent.
public struct ConnectionClosed: Error, Sendable {}
