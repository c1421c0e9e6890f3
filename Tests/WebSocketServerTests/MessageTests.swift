import Foundation
import Testing
import LiveTesting

@testable import WebSocketServer

/// Messages are sent and published as strings, bytes, spans and values.
@Suite("Messages of all types") struct MessageTests {
    private struct Move: Codable, Hashable {
        var from = "e2"
        var to = "e4"
    }

    /// A collection whose bytes aren't contiguous.
    private static var scattered: some Collection<UInt8> { (0..<3).lazy.map { UInt8($0) } }

    private static let move = Message(#"{"from":"e2","to":"e4"}"#)

    private static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return encoder
    }

    /// Sends messages by all methods, in the order of `expected`.
    private static func sendAll(on connection: Connection) throws {
        connection.send("text")
        connection.send("text".dropFirst())
        connection.send([1, 2])
        connection.send([UInt8]([1, 2]), as: .text)
        connection.send(Data([1, 2]))
        connection.send([0, 1, 2, 3][1...2])
        connection.send(scattered)
        connection.send(Message("message"))
        connection.send([UInt8]([1, 2]).span.bytes, as: .binary)
        try connection.send(Move(), using: encoder().encode)
        connection.sendUncompressed("text")
        connection.sendUncompressed(scattered)
    }

    private static let expected = [
        Message("text"), Message("ext"), Message([1, 2]), Message([1, 2], as: .text),
        Message([1, 2]), Message([1, 2]), Message([0, 1, 2]), Message("message"), Message([1, 2]),
        move, Message("text"), Message([0, 1, 2]),
    ]

    private final class Sender: ConnectionHandler, Sendable {
        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            do { try MessageTests.sendAll(on: connection) } catch {
                connection.close(.internalError)
            }
        }
    }

    @Test("A connection sends all types of messages")
    func sending() async throws {
        try await withServer(.single(Sender())) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await connection.send("go")
                for message in Self.expected { #expect(await connection.receive() == message) }
            }
        }
    }

    @Test("An async connection sends all types of messages", arguments: [false, true])
    func asyncSending(isClient: Bool) async throws {
        @Sendable func sendAll(on connection: some MessageSender) async throws {
            try await connection.send("text")
            try await connection.send([1, 2])
            try await connection.send(Data([1, 2]), as: .text)
            try await connection.send(Self.scattered)
            try await connection.send(Message("message"))
            try await connection.send([UInt8]([1, 2]).span.bytes, as: .binary)
            try await connection.send(Move(), using: Self.encoder().encode)
        }
        let expected = [
            Message("text"), Message([1, 2]), Message([1, 2], as: .text), Message([0, 1, 2]),
            Message("message"), Message([1, 2]), Self.move,
        ]
        var router = Router()
        router.webSocket("/ws") { connection in
            if !isClient { try await sendAll(on: connection) }
            for try await message in connection.messages { try await connection.send(message) }
        }
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                if isClient { try await sendAll(on: connection) }
                for message in expected { #expect(await connection.receive() == message) }
            }
        }
    }

    @Test("Connections and servers publish all types of messages")
    func publishing() async throws {
        var router = Router()
        router.webSocket("/ws") { connection in
            connection.subscribe(to: "room")
            for try await _ in connection.messages {
                connection.publish("text", to: "room")
                connection.publish([UInt8]([1, 2]), to: "room")
                connection.publish(Data([1, 2]), as: .text, to: "room")
                connection.publish(Self.scattered, to: "room", key: "key")
                connection.publish(Message("message"), to: "room")
                connection.publish([UInt8]([1, 2]).span.bytes, as: .binary, to: "room")
                try connection.publish(Move(), to: "room", using: Self.encoder().encode)
                connection.connection.publish("handler's", to: "room")
            }
        }
        let expected = [
            Message("text"), Message([1, 2]), Message([1, 2], as: .text), Message([0, 1, 2]),
            Message("message"), Message([1, 2]), Self.move, Message("handler's"),
        ]
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await connection.send("go")
                for message in expected { #expect(await connection.receive() == message) }
                let publisher = server.server
                try await publisher.publish("text", to: "room")
                try await publisher.publish(Message([1, 2]), to: "room")
                try await publisher.publish(Data([1, 2]), as: .text, to: "room")
                try await publisher.publish([UInt8]([1, 2]).span.bytes, as: .text, to: "room")
                try await publisher.publish(Move(), to: "room", using: Self.encoder().encode)
                for message in expected[..<3] { #expect(await connection.receive() == message) }
                #expect(await connection.receive() == Message([1, 2], as: .text))
                #expect(await connection.receive() == Self.move)
            }
        }
    }

    @Test("Payloads become strings, bytes, messages and values")
    func payloads() throws {
        let bytes = Self.move.bytes
        let payload = bytes.span.bytes
        #expect(String(payload) == Self.move.text)
        #expect([UInt8](payload) == bytes)
        #expect(Message(payload, as: .text) == Self.move)
        #expect(try payload.decode(Move.self, using: JSONDecoder().decode) == Move())
        #expect(try Self.move.decode(Move.self, using: JSONDecoder().decode) == Move())
        #expect(try Message(Move(), using: Self.encoder().encode) == Self.move)
        #expect(throws: DecodingError.self) {
            try Message("[]").decode(Move.self, using: JSONDecoder().decode)
        }
        let empty: [UInt8] = []
        #expect(String(empty.span.bytes) == "" && [UInt8](empty.span.bytes) == empty)
    }
}
