import UVTransport

/// The messages that wait for a task, in order.
struct MessageQueue {
    /// The most slots that an empty queue keeps.
    private static let keptCapacityMax = 64

    private var messages = RingQueue<Message>()
    /// The payload bytes of the messages that wait.
    private(set) var bytes = 0

    var count: Int { messages.count }

    mutating func append(_ message: Message) {
        bytes += message.bytes.count
        messages.append(message)
    }

    mutating func popFirst() -> Message? {
        guard let message = messages.popFirst() else { return nil }
        bytes -= message.bytes.count
        if messages.isEmpty, messages.capacity > Self.keptCapacityMax { messages = RingQueue() }
        return message
    }
}
