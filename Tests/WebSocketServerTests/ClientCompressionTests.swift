import Glibc
import Testing
import UVTransport
import WebSocketProtocol
import WebSocketTesting

@testable import WebSocketServer

@Suite("Compression of a client") struct ClientCompressionTests {
    typealias Frame = RawClient.Frame

    @Test(
        "a client that agreed to 8 window bits, where zlib can't deflate, sends plainly; at 9 not",
        arguments: [8, 9])
    func windowBits(agreed: Int) async throws {
        let socket = try ListeningSocket.listen(
            host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
        defer { socket.close() }
        var compression = Compression()
        compression.contextTakeover = .perConnection
        compression.allowsPeerContextTakeover = true
        try await withClient(compression: compression) { client in
            async let serving = ServerEnd(
                of: socket, agreeingTo: "permessage-deflate; client_max_window_bits=\(agreed)")
            let connection = try await client.connect(
                to: "ws://127.0.0.1:\(socket.address.port)/")
            var end = try await serving
            for _ in 0..<2 {
                try await connection.send(CompressionTests.json)
                let frame = try await end.readFrame()
                #expect(frame.first == (agreed == 8 ? 0x81 : 0xC1))
                #expect((frame == .text(CompressionTests.json)) == (agreed == 8))
            }
            // What it is sent may be compressed all the same.
            let hello = Frame(first: 0xC1, payload: [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 7, 0])
            try end.send(hello.encoded(key: nil))
            #expect(await connection.receive() == Message("Hello"))
            end.close()
        }
    }
}

/// The server's end of one connection, byte by byte.
private struct ServerEnd: Sendable {
    private let descriptor: Int32
    /// Read, and not asked for yet.
    private var buffer: [UInt8] = []

    /// Waits for a client, and agrees to extensions, whatever it offers.
    init(of socket: ListeningSocket, agreeingTo extensions: String) async throws {
        descriptor = try await within {
            while true {
                let descriptor = Glibc.accept(socket.descriptor, nil, nil)
                if descriptor >= 0 || errno != EAGAIN { return descriptor }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
        while !buffer.suffix(4).elementsEqual("\r\n\r\n".utf8) { try await readMore() }
        let head = String(decoding: buffer, as: UTF8.self)
        buffer = []
        let name = "sec-websocket-key: "
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name) }
        let key = String(try #require(line).dropFirst(name.count))
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(OpeningHandshake.acceptValue(forKey: key))\r\n"
            + "Sec-WebSocket-Extensions: \(extensions)\r\n\r\n"
        try send([UInt8](answer.utf8))
    }

    /// The next frame, which a client masks; of less than 64 KiB.
    mutating func readFrame() async throws -> RawClient.Frame {
        let header = try await read(2)
        var length = Int(header[1] & 0x7F)
        if length == 126 { length = try await read(2).reduce(0) { $0 << 8 | Int($1) } }
        let key = try await read(4)
        let payload = try await read(length)
        return RawClient.Frame(
            first: header[0], payload: payload.enumerated().map { $1 ^ key[$0 % 4] })
    }

    private mutating func read(_ count: Int) async throws -> [UInt8] {
        while buffer.count < count { try await readMore() }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    private mutating func readMore() async throws {
        let descriptor = self.descriptor
        let bytes: [UInt8] = try await within {
            var chunk = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
                if count >= 0 || errno != EAGAIN { return Array(chunk.prefix(max(0, count))) }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
        try #require(!bytes.isEmpty, "the client has left")
        buffer += bytes
    }

    func send(_ bytes: [UInt8]) throws {
        let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        try #require(count == bytes.count)
    }

    func close() { Glibc.close(descriptor) }
}
