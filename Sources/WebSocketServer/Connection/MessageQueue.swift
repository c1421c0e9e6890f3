/// The messages that wait for a task, in order.
struct MessageQueue {
    private var messages: [Message] = []
    private var head = 0
    /// The payload bytes of the messages that wait.
    private(set) var bytes = 0

    var count: Int { messages.count - head }

    mutating func append(_ message: Message) {
        messages.append(message)
        bytes += message.bytes.count
    }

    mutating func popFirst() -> Message? {
        guard head < messages.count else { return nil }
        let message = messages[head]
        head += 1
        bytes -= message.bytes.count
        if head == messages.count {
            messages.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head >= count {
            // A queue that is never empty must not grow: half of it has been taken.
            messages.removeFirst(head)
            head = 0
        }
        return message
    }
}
