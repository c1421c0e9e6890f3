import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Responses from asynchronous sequences, and with a known length")
struct ResponseSequenceTests {
    private static func get(
        _ router: Router, version: String = "1.1", count: Int = 1
    ) async throws -> String {
        try await withServer(router) { server in
            let client = try server.raw()
            for number in 1...count {
                let end = number == count ? "Connection: close\r\n" : ""
                try await client.send("GET / HTTP/\(version)\r\nHost: a\r\n\(end)\r\n")
            }
            return String(decoding: try await client.readToEnd(orReset: true), as: UTF8.self)
        }
    }

    /// A sequence of numbers that reports its release.
    private struct Numbers: AsyncSequence, Sendable {
        let count: Int
        let size: Int
        let released: Reports<Int>

        typealias Element = [UInt8]
        typealias AsyncIterator = Iterator

        func makeAsyncIterator() -> Iterator { Iterator(count: count, size: size, released) }

        final class Iterator: AsyncIteratorProtocol {
            private var left: Int
            private let size: Int
            private let released: Reports<Int>

            init(count: Int, size: Int, _ released: Reports<Int>) {
                (left, self.size, self.released) = (count, size, released)
            }

            deinit { released.add(left) }

            func next() async throws -> [UInt8]? {
                guard left > 0 else { return nil }
                left -= 1
                return [UInt8](repeating: UInt8(ascii: "n"), count: size)
            }
        }
    }

    @Test("The parts of a sequence arrive in chunks, and the sequence is released at the end")
    func chunks() async throws {
        let released = Reports<Int>()
        var router = Router()
        router.get("/") { _ in
            Response(stream: Numbers(count: 3, size: 2, released: released))
        }
        let all = try await Self.get(router)
        #expect(all.hasSuffix("\r\n\r\n2\r\nnn\r\n2\r\nnn\r\n2\r\nnn\r\n0\r\n\r\n"))
        #expect(try await released.next() == 0)
    }

    @Test("A stream of slices and a throwing one are sequences as well")
    func kinds() async throws {
        var router = Router()
        router.get("/") { _ in
            Response(
                contentLength: 4,
                stream: AsyncStream<Substring.UTF8View> { continuation in
                    for text in ["ab", "", "cd"] as [Substring] { continuation.yield(text.utf8) }
                    continuation.finish()
                })
        }
        let all = try await Self.get(router, count: 2)
        #expect(all.hasSuffix("\r\n\r\nabcd"))
        #expect(all.contains("Content-Length: 4\r\n") && !all.contains("chunked"))
        #expect(all.split(separator: "HTTP/1.1 200 OK").count == 2)
    }

    @Test("A slow reader slows down the sequence; a client that leaves ends it")
    func leaving() async throws {
        let released = Reports<Int>()
        var router = Router()
        router.get("/") { _ in
            Response(stream: Numbers(count: 100_000, size: 64 << 10, released: released))
        }
        try await withServer(router) { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.read(100_000)
            await client.reset()
            let left = try await released.next()
            // The client took little, so little was made.
            #expect(left > 99_000)
        }
    }

    @Test("With a known length, HTTP/1.0 connections stay open, and HEAD shows it")
    func knownLength() async throws {
        var router = Router()
        router.get("/") { _ in
            let parts = Locked(["ab", "cd", nil] as [String?])
            return Response(contentLength: 4) {
                parts.withLock { $0.removeFirst() }.map { [UInt8]($0.utf8) }
            }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            for _ in 0..<2 {
                try await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let head = try await client.read(through: Array("\r\n\r\n".utf8))
                #expect(String(decoding: head, as: UTF8.self).contains("Content-Length: 4\r\n"))
                #expect(try await client.read(4) == Array("abcd".utf8))
            }
            try await client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(all.contains("Content-Length: 4\r\n") && all.hasSuffix("\r\n\r\n"))
        }
    }

    @Test("Parts of another size than announced reset the connection", arguments: [3, 5, 0, 100])
    func wrongLength(_ length: Int) async throws {
        var router = Router()
        router.get("/") { _ in
            let parts = Locked(["ab", "cd", nil] as [String?])
            return Response(contentLength: length) {
                parts.withLock { $0.removeFirst() }.map { [UInt8]($0.utf8) }
            }
        }
        let log = LogRecorder()
        try await withServer(router, logger: log.logger) { server in
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let all = try? await client.readToEnd(orReset: true)
            let body = all.map { String(decoding: $0, as: UTF8.self) } ?? ""
            #expect(!body.hasSuffix("abcd") || length == 100 || length == 5)
        }
        #expect(!log.lines(with: "request handler failed").isEmpty)
    }
}
