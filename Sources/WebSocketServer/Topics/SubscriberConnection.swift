import PubSub
import WebSocketProtocol

/// A connection as the delivery of publications sees it.
protocol SubscriberConnection: AnyObject {
    /// Whether it may be sent messages.
    var takesMessages: Bool { get }
    /// Whether bytes wait for the socket.
    var hasOutbox: Bool { get }
    var outbox: SlowConsumers.Outbox { get }
    /// The subscriber whose messages the loop's cork holds, if it holds any.
    var corkOwner: Subscriber? { get }

    /// Sends frames that are shared with others, from where they are.
    func writeFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int)
    /// Sends a frame that is shared with others by way of the loop's cork.
    func appendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int)
    /// Sends a publication as a message of the connection's own context, by way of the cork.
    func sendMessage(_ publication: Publication)
    /// Sends the same after it has waited.
    func sendQueued(_ publication: Publication)
    /// Sends a message of the connection's own after it has waited.
    func sendQueued(_ message: [UInt8], _ kind: MessageKind, compresses: Bool)
    func flushIfCorked()
    /// Disconnects a slow consumer, and discards what waits for it:
    /// ``SlowConsumers/forget(_:andOutbox:)``.
    func dropSlowConsumer()
}
