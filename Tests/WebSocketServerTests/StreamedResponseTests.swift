import HTTPTypes
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("Responses that are created while they are sent") struct StreamedResponseTests {
    private struct Broken: Error {}

    /// A source with a number of parts of one size. It counts how many were requested.
    private static func source(
        _ count: Int, of size: Int, asked: Locked<Int>, failsAtEnd: Bool = false
    ) -> Response.Stream {
        {
            let number = asked.withLock { asked in
                asked += 1
                return asked
            }
            if number <= count { return [UInt8](repeating: UInt8(ascii: "x"), count: size) }
            if failsAtEnd { throw Broken() }
            return nil
        }
    }

    private static func router(
        _ count: Int, of size: Int, asked: Locked<Int>, failsAtEnd: Bool = false
    ) -> Router {
        var router = Router()
        router.get("/") { _ in
            asked.withLock { $0 = 0 }
            return Response(stream: source(count, of: size, asked: asked, failsAtEnd: failsAtEnd))
        }
        return router
    }

    private static func content(ofChunks text: String) -> String {
        var rest = text[...]
        var content = ""
        while let end = rest.firstRange(of: "\r\n"),
            let size = Int(rest[..<end.lowerBound], radix: 16)
        {
            rest = rest[end.upperBound...]
            content += rest.prefix(size)
            // CR and LF are one character.
            rest = rest.dropFirst(size + 1)
            if size == 0 { break }
        }
        return content
    }

    @Test("Parts arrive in chunks, and the next request is answered after them")
    func chunks() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(3, of: 5, asked: asked)) { server in
            let client = try server.raw()
            try await client.send(
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            let responses = all.pieces(separatedBy: "HTTP/1.1 200 OK\r\n").dropFirst()
            #expect(responses.count == 2)
            for response in responses {
                #expect(response.contains("Transfer-Encoding: chunked\r\n"))
                #expect(!response.contains("Content-Length"))
                let body = response.pieces(separatedBy: "\r\n\r\n").dropFirst()
                    .joined(separator: "\r\n\r\n")
                #expect(Self.content(ofChunks: body) == "xxxxxxxxxxxxxxx")
                #expect(body.hasSuffix("0\r\n\r\n"))
            }
        }
    }

    @Test("HTTP/1.0 receives them unchanged, up to the end of the connection")
    func http10() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(3, of: 5, asked: asked)) { server in
            let client = try server.raw()
            try await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(all.hasSuffix("\r\n\r\nxxxxxxxxxxxxxxx"))
            #expect(!all.contains("chunked") && all.contains("Connection: close"))
        }
    }

    @Test("For a HEAD nothing is created")
    func head() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(3, of: 5, asked: asked)) { server in
            let client = try server.raw()
            try await client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(all.hasPrefix("HTTP/1.1 200") && all.hasSuffix("\r\n\r\n"))
            #expect(asked.value == 0)
        }
    }

    @Test("For a client that doesn't read, no more is created; one that reads receives everything")
    func backpressure() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(400, of: 64 << 10, asked: asked)) { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let first = try #require(await server.server.firstLoop)
            try await within(.seconds(60), "a full outbox") {
                while await !first.onLoop({ resources in
                    resources.registry.snapshot().first.map {
                        $0.outboxCount > $0.options.outboxHighWater
                    }
                        ?? false
                }) { try Task.checkCancellation() }
            }
            // The data in the kernel, and beyond the high-water mark.
            let before = asked.value
            #expect(before < 200)
            for _ in 0..<50 { _ = await first.onLoop { _ in 0 } }
            #expect(asked.value <= before + 1)
            let all = try await client.readToEnd()
            #expect(all.count > 400 * (64 << 10))
            #expect(asked.value == 401)
        }
    }

    @Test("An error in the middle resets the connection: a part must not pass for the whole")
    func failure() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(2, of: 5, asked: asked, failsAtEnd: true)) { server in
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let all = try? await client.readToEnd()
            #expect(all.map { !String(decoding: $0, as: UTF8.self).hasSuffix("0\r\n\r\n") } ?? true)
        }
    }

    @Test("A client that receives nothing for the handshake timeout is reset")
    func unread() async throws {
        let asked = Locked(0)
        try await withServer(Self.router(2_000, of: 64 << 10, asked: asked)) {
            $0.limits.handshakeTimeout = .milliseconds(200)
        } _: { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await within(.seconds(60), "the connection's end") {
                while server.server.connectionCount > 0 { try Task.checkCancellation() }
            }
            #expect(asked.value < 2_000)
            await client.close()
        }
    }
}

extension StringProtocol {
    fileprivate func pieces(separatedBy separator: String) -> [SubSequence] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
