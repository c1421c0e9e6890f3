import HTTPProtocol
import WebSocketServer

/// A handler that sends each message back unchanged, for load and conformance tools.
final class RawEcho: ConnectionHandler, Sendable {
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.send(payload, as: kind)
    }
}

/// A handler that sends each message unchanged to every connection of its route, for load tools.
final class Broadcaster: ConnectionHandler, Sendable {
    private static let topic = "tools/broadcast"

    func onOpen(_ connection: Connection) { connection.subscribe(to: Self.topic) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.publish(payload, as: kind, to: Self.topic)
    }
}

/// A handler that subscribes and publishes on command, for tests of topics from outside. The first
/// line of a message is the command, the rest is the payload.
///
///     subscribe TOPIC         answered "subscribed TOPIC", or with the outcome's name
///     unsubscribe TOPIC       answered "unsubscribed TOPIC"
///     publish TOPIC [KEY]     sends the payload to all subscribers
///     echo                    sends the payload back to this connection
final class TopicTool: ConnectionHandler, Sendable {
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let bytes = [UInt8](payload)
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        let words = bytes[..<end].split(separator: UInt8(ascii: " "))
            .map { ExactString(String(decoding: $0, as: UTF8.self)) }
        let rest = bytes[min(end + 1, bytes.endIndex)...]
        switch (words.first, words.count) {
        case ("subscribe", 2):
            let outcome = connection.subscribe(to: words[1].string)
            connection.send("\(outcome) \(words[1])")
        case ("unsubscribe", 2):
            connection.unsubscribe(from: words[1].string)
            connection.send("unsubscribed \(words[1])")
        case ("publish", 2...3):
            connection.publish(
                rest, as: kind, to: words[1].string,
                key: words.count == 3 ? words[2].string : nil)
        case ("echo", 1): connection.send(rest, as: kind)
        default: connection.close(.policyViolation, reason: "unknown command")
        }
    }
}
