import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// A client learns why a server refuses it, whatever the response is like.
@Suite("Refusals of a client") struct ClientRefusalTests {
    private static func error(_ response: String) async throws -> ClientError? {
        let socket = try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: 1, backlog: 8)
        defer { socket[0][0].close() }
        return try await withClient { client in
            async let end = ServerEnd(of: socket[0][0]) { _ in response }
            let error = await #expect(throws: ClientError.self) {
                try await client.connect(to: "ws://127.0.0.1:\(socket[0][0].address.port)/")
            }
            try await end.close()
            return error
        }
    }

    @Test("The error carries the status, the header fields and the body")
    func redirection() async throws {
        let error = try await Self.error(
            "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\nContent-Length: 5\r\n\r\nthere")
        #expect(error?.code == .refused && error?.status == 302)
        #expect(error?.headerFields[.location] == "ws://elsewhere/")
        #expect(error?.body == [UInt8]("there".utf8))
    }

    @Test("A long body is cut off, and the status is still reported", arguments: [true, false])
    func longBody(isChunked: Bool) async throws {
        let size = 100_000
        let fields =
            isChunked
            ? "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" : "Content-Length: \(size)\r\n\r\n"
        let error = try await Self.error(
            "HTTP/1.1 503 Busy\r\n\(fields)" + String(repeating: "b", count: size))
        #expect(error?.code == .refused && error?.status == 503)
        #expect(error?.body.count == Limits().bodySizeMax.bytes)
    }

    @Test("A status line without a reason phrase is accepted", arguments: ["", " "])
    func noReason(space: String) async throws {
        let error = try await Self.error("HTTP/1.1 401\(space)\r\nContent-Length: 0\r\n\r\n")
        #expect(error?.code == .refused && error?.status == 401)
        let socket = try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: 1, backlog: 8)
        defer { socket[0][0].close() }
        try await withClient { client in
            async let end = ServerEnd(of: socket[0][0]) { key in
                "HTTP/1.1 101\(space)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Accept: \(OpeningHandshake.acceptValue(forKey: key))\r\n\r\n"
            }
            _ = try await client.connect(to: "ws://127.0.0.1:\(socket[0][0].address.port)/")
            try await end.close()
        }
    }
}
