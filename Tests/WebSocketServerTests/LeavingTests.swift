import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("Clients that leave while a request is answered") struct LeavingTests {
    private static let slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let quick = "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"

    private static func router(_ waiting: Waiting, hasMiddleware: Bool = false) -> Router {
        var router = Router()
        if hasMiddleware { router.add(middleware: RequestID()) }
        router.get("/slow") { _ in
            try await waiting.wait()
            return .text("slow")
        }
        router.get("/stream") { _ in
            let isFirst = Locked(true)
            return Response(stream: {
                if isFirst.withLock({ (old: inout Bool) -> Bool in
                    defer { old = false }
                    return old
                }) {
                    return [UInt8]("first".utf8)
                }
                try await waiting.wait()
                return nil
            })
        }
        router.get("/quick") { _ in .text("quick") }
        return router
    }

    enum Leave: CaseIterable, Sendable { case close, reset, closeAfterMore }

    @Test(
        "Its task is cancelled, and nothing is logged as an error",
        arguments: Leave.allCases, [false, true])
    func cancelled(how: Leave, hasMiddleware: Bool) async throws {
        let waiting = Waiting()
        let log = LogRecorder()
        try await withServer(
            Self.router(waiting, hasMiddleware: hasMiddleware), logger: log.logger
        ) { server in
            let client = try server.raw()
            try await client.send(Self.slow)
            _ = try await waiting.begun.next()
            switch how {
            case .close: await client.close()
            case .reset: await client.reset()
            case .closeAfterMore:
                try await client.send(Self.quick)
                await client.close()
            }
            _ = try await waiting.cancelled.next()
            try await server.untilEmpty()
        }
        #expect(log.lines(with: "failed").isEmpty)
    }

    @Test("The task of a streamed response is cancelled, too")
    func stream() async throws {
        let waiting = Waiting()
        let log = LogRecorder()
        try await withServer(Self.router(waiting), logger: log.logger) { server in
            let client = try server.raw()
            try await client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.read(through: Array("first\r\n".utf8))
            _ = try await waiting.begun.next()
            await client.reset()
            _ = try await waiting.cancelled.next()
            try await server.untilEmpty()
        }
        #expect(log.lines(with: "failed").isEmpty)
    }

    @Test(
        "A streamed response without end ends with a client that first sends no more, then leaves")
    func endlessStream() async throws {
        var router = Router()
        router.get("/") { _ in Response(stream: { [UInt8](repeating: 1, count: 1_000) }) }
        try await withServer(router) { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.readHead()
            await client.finishSending()
            try await server.until { $0.hasEnded }
            _ = try await client.read(100_000)
            await client.close()
            try await server.untilEmpty()
        }
    }

    @Test("A client that only sends no more gets its responses, also to requests behind")
    func halfClosed() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) { server in
            let client = try server.raw()
            try await client.send(Self.slow + Self.quick + Self.quick)
            _ = try await waiting.begun.next()
            await client.finishSending()
            try await server.until { $0.hasEnded }
            waiting.open()
            for body in ["slow", "quick", "quick"] {
                #expect(try await client.readFinalResponse().body == body)
            }
            #expect(try await client.readToEnd() == [])
            // Part of a request is none.
            let other = try server.raw()
            try await other.send(Self.slow + "GET /qui")
            _ = try await waiting.begun.next()
            await other.finishSending()
            try await server.until { $0.hasEnded }
            waiting.open()
            #expect(try await other.readFinalResponse().body == "slow")
            #expect(try await other.readToEnd() == [])
        }
        #expect(waiting.cancelled.all.isEmpty)
    }

    @Test("It gets a slow response, too: interim responses only ask whether it is there")
    func probed() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) { server in
            let client = try server.raw()
            try await client.send(Self.slow)
            _ = try await waiting.begun.next()
            await client.finishSending()
            for _ in 0..<2 {
                #expect(try await client.readHead() == "HTTP/1.1 100 Continue\r\n\r\n")
            }
            waiting.open()
            let response = try await client.readFinalResponse()
            #expect(response.body == "slow" && response.head.contains("Connection: close"))
            #expect(try await client.readToEnd() == [])
        }
        #expect(waiting.cancelled.all.isEmpty)
    }

    @Test("HTTP/1.0 has no interim responses: the client isn't asked")
    func oldVersion() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) { server in
            let client = try server.raw()
            try await client.send("GET /slow HTTP/1.0\r\n\r\n")
            _ = try await waiting.begun.next()
            await client.finishSending()
            try await server.until { connection in
                let exchange = connection.opening as? HTTPExchange
                return exchange.map { $0.probeDelay > 500 } ?? false
            }
            waiting.open()
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(all.hasPrefix("HTTP/1.1 200 ") && all.hasSuffix("slow"))
        }
    }
}

extension RawClient {
    /// Reads the next response that isn't an interim one, which comes on a busy machine.
    fileprivate func readFinalResponse() throws -> (head: String, body: String) {
        while true {
            let response = try readResponse()
            if !response.head.hasPrefix("HTTP/1.1 100 ") { return response }
        }
    }
}
