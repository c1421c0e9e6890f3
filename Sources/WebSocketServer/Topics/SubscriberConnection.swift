import PubSub
import WebSocketProtocol

/// A connection as the delivery of publications sees it.
protocol SubscriberConnection: AnyObject {
    /// Whether the connection is open, so that messages may be sent to it.
    var takesMessages: Bool { get }
    /// Whether bytes wait for the socket.
    var hasOutbox: Bool { get }
    var outbox: SlowConsumers.Outbox { get }
    /// The subscriber whose messages the loop's cork holds, if it holds any.
    var corkOwner: Subscriber? { get }

    /// Writes frames that are shared with other connections, without copying them.
    func writeFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int)
    /// Copies a frame that is shared with other connections to the loop's cork or the outbox.
    func appendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int)
    /// Sends a publication as a message of the connection's own context, by way of the cork.
    func sendMessage(_ publication: Publication)
    /// Sends the same publication after it has waited.
    func sendQueued(_ publication: Publication)
    /// Sends a message of the connection's own after it has waited.
    func sendQueued(_ message: [UInt8], _ kind: MessageKind, compresses: Bool)
    func flushIfCorked()
    /// Disconnects a slow consumer, and discards its backlog by
    /// ``SlowConsumers/forget(_:andOutbox:)``.
    func dropSlowConsumer()
}
