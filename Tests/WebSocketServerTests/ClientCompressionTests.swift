import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

@Suite("Compression of a client") struct ClientCompressionTests {
    typealias Frame = RawClient.Frame

    @Test(
        "A client with 8 window bits, with which zlib can't compress, sends plain; with 9 not",
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
            // Messages to it may be compressed nevertheless.
            let hello = Frame(first: 0xC1, payload: [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 7, 0])
            try end.send(hello.encoded(key: nil))
            #expect(await connection.receive() == Message("Hello"))
            end.close()
        }
    }
}
