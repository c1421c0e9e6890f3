public import HTTPProtocol

/// One connection of a server at one moment, for its operators.
public struct ConnectionInfo: Sendable, Hashable, Identifiable {
    /// The phase of a connection's life.
    public enum State: String, Sendable, Hashable {
        /// It awaits or answers plain requests, or an opening handshake.
        case http
        /// A WebSocket.
        case open
        /// A WebSocket whose closing handshake has begun, or the end of a connection is awaited.
        case closing
    }

    /// The number, which no other connection of the process has.
    public let id: UInt64
    /// Whether it is a WebSocket.
    public let state: State
    /// The client's address and port: `192.0.2.1:40312`, `[2001:db8::1]:40312`, `unix`. Behind a
    /// trusted proxy, the address that the proxy names.
    public let address: String
    /// The user that ``Connection/setUser(_:)`` has named.
    public let user: ExactString?
    /// The path of the WebSocket's route, such as `/rooms/{room}`.
    public let route: String?
    /// The negotiated subprotocol.
    public let subprotocol: String?
    /// Some of the topics that it subscribes to, ``topicsMax`` at most.
    public let topics: [String]
    /// The number of its subscriptions.
    public let topicCount: Int
    /// The time since it was accepted.
    public let age: Duration
    /// The time since the last message in either direction; `nil` unless it is a WebSocket.
    public let idle: Duration?
    /// The bytes that the kernel has received, with everything that TLS and the headers of frames
    /// add. `nil` for Unix-domain sockets.
    public let bytesReceived: UInt64?
    /// The bytes that the kernel has sent, counted like ``bytesReceived``.
    public let bytesSent: UInt64?
    /// The round-trip time that the kernel has measured; `nil` for Unix-domain sockets.
    public let roundTrip: Duration?
    /// The bytes that wait for the client to take them.
    public let waitingBytes: Int

    /// The number of topics that are listed.
    public static var topicsMax: Int { 16 }
}

/// The connections that a filter matches.
public struct ConnectionList: Sendable {
    /// The number of all matches.
    public let count: Int
    /// The oldest matches, from the oldest on.
    public let connections: [ConnectionInfo]
}
