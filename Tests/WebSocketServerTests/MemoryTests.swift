import Dispatch
import HTTPTypes
import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

@Suite("The memory that peers can make a server use") struct MemoryTests {
    typealias Frame = RawClient.Frame

    private static func unfinished(_ size: Int) -> [UInt8] {
        Array(Frame(first: 0x82, payload: .init(repeating: 1, count: size)).encoded().dropLast())
    }

    @Test(
        "Beyond the limit, connections with the most memory are closed; small messages arrive"
    )
    func largestPays() async throws {
        let echo = Recorder(echoes: true)
        try await withServer(.single(echo)) {
            $0.limits.messageSizeMax = .mebibytes(1)
            $0.limits.assemblySizeMax = .mebibytes(4)
            $0.limits.memoryMax = .mebibytes(8)
        } _: { server in
            let honest = try server.raw()
            try await honest.upgrade("/ws", HeldTests.offer)
            var holders: [RawClient] = []
            for _ in 0..<12 {
                let client = try await server.upgraded()
                try await client.send(Self.unfinished(1 << 20))
                holders.append(client)
                // In pieces and compressed, so that it needs memory for both.
                try await honest.send(Frame(first: 0x02, payload: [1]))
                try await honest.send(Frame(first: 0x80, payload: [2]))
                #expect(try await honest.readFrame() == Frame(first: 0x82, payload: [1, 2]))
                try await honest.send(
                    Frame(first: 0xC1, payload: [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 7, 0]))
                #expect(try await honest.readFrame() == .text("Hello"))
            }
            let counters = await server.server.counters()
            #expect(counters.limits.memory + counters.limits.assemblySize >= 8)
            #expect(try await holders[0].readFrame().closeCode == .tryAgainLater)
            for client in holders { await client.close() }
            await honest.close()
        }
    }

    @Test("While the loop that holds the most is busy, another frees memory for its own clients")
    func busyHolder() async throws {
        let echo = Recorder(echoes: true)
        let release = DispatchSemaphore(value: 0)
        try await withServer(.single(echo)) {
            $0.loops = 2
            $0.limits.messageSizeMax = .mebibytes(1)
            $0.limits.assemblySizeMax = .mebibytes(4)
        } _: { server in
            var (here, elsewhere): ([RawClient], [RawClient]) = ([], [])
            let first = try #require(await server.server.firstLoop)
            var busy: Connection?
            while here.count < 10 || elsewhere.count < 3 {
                let client = try await server.upgraded()
                let connection = try await echo.connections.next()
                if connection.core.resources === first {
                    here.append(client)
                } else {
                    elsewhere.append(client)
                    busy = connection
                }
            }
            for client in elsewhere.prefix(3) { try await client.send(Self.unfinished(1 << 20)) }
            try await within {
                while await server.server.bytesHeld < 3_000_000 { await Task.yield() }
            }
            busy?.core.onLoop { _ in release.wait() }
            defer { release.signal() }
            // They use up what is left, and the reserve for messages of their size.
            for client in here.dropFirst() { try await client.send(Self.unfinished(200 << 10)) }
            for _ in 0..<10 { await first.onLoop { _ in } }
            try await here[0].send(
                Frame(first: 0x82, payload: .init(repeating: 1, count: 100 << 10)))
            #expect(try await here[0].readFrame().payload.count == 100 << 10)
            for client in here + elsewhere { await client.close() }
        }
    }

    @Test("Requests with incomplete content are answered with 503 when the memory is used up")
    func bodies() async throws {
        var router = Router()
        router.post("/") { _ in Response() }
        try await withServer(router) {
            $0.limits.bodySizeMax = .mebibytes(1)
            $0.limits.messageSizeMax = .kibibytes(64)
            $0.limits.assemblySizeMax = .mebibytes(1)
            $0.limits.memoryMax = .mebibytes(4)
        } _: { server in
            var clients: [RawClient] = []
            let size = 700_000
            for _ in 0..<12 {
                let client = try server.raw()
                try await client.send(
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size + 1)\r\n\r\n")
                try await client.send([UInt8](repeating: 1, count: size))
                clients.append(client)
            }
            let counters = Locked(0)
            try await within(.seconds(60), "memory is given back") {
                while counters.value == 0 {
                    let count = Int(await server.server.counters().limits.memory)
                    counters.withLock { $0 = count }
                    try Task.checkCancellation()
                }
            }
            for client in clients { await client.close() }
            // Other connections are served.
            let client = try server.raw()
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 200"))
            await client.close()
        }
    }

    @Test("A message that isn't complete in time ends its connection with 1008")
    func messageTimeout() async throws {
        let echo = Recorder(echoes: true)
        try await withServer(.single(echo)) {
            $0.limits.messageTimeout = .milliseconds(100)
        } _: { server in
            let client = try await server.upgraded()
            try await client.send(Frame(first: 0x02, payload: [1]))
            // Answering or sending pings doesn't help.
            try await client.send(Frame(first: 0x89, payload: []))
            var frame = try await client.readFrame()
            if frame == Frame(first: 0x8A, payload: []) { frame = try await client.readFrame() }
            #expect(frame.closeCode == .policyViolation)
            #expect(await server.server.counters().limits.messageTime == 1)
            await client.close()
            // Complete messages, and the pauses between them, may take any time.
            let other = try await server.upgraded()
            try await other.send(.text("a"))
            #expect(try await other.readFrame() == .text("a"))
            await other.close()
        }
    }

    @Test("Unread answers count, and their memory is freed")
    func unreadAnswers() async throws {
        let size = 200_000
        var router = Router()
        router.get("/") { _ in Response(body: [UInt8](repeating: 1, count: size)) }
        try await withServer(router) {
            $0.limits.messageSizeMax = .kibibytes(64)
            $0.limits.assemblySizeMax = .mebibytes(1)
            $0.limits.memoryMax = .mebibytes(2)
        } _: { server in
            var clients: [RawClient] = []
            for _ in 0..<40 {
                let client = try server.raw(receiveBuffer: 4_096)
                try await client.send(
                    String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 30))
                clients.append(client)
            }
            try await within(.seconds(60), "connections are closed for their memory") {
                while await server.server.counters().limits.memory == 0 {
                    try Task.checkCancellation()
                }
            }
            for client in clients { await client.close() }
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.readResponse().body.utf8.count == size)
            await client.close()
        }
    }
}
