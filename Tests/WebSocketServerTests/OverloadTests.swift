import Glibc
import LiveTesting
import Testing

@testable import WebSocketServer

@Suite("A loop that is late") struct OverloadTests {
    /// A handler that keeps its loop busy for a while with each message.
    private final class Blocking: ConnectionHandler {
        func onMessage(
            _ payload: RawSpan, as kind: MessageKind, from connection: Connection
        ) {
            usleep(60_000)
            connection.send("done")
        }
    }

    @Test("New connections get 503 while a loop is late, and are served once it isn't")
    func lag() async throws {
        var router = Router()
        router.upgrade("/blocking") { _ in .accept(Blocking()) }
        router.get("/page") { _ in .text("page") }
        router.get("/health") { .text($0.isOverloaded ? "overloaded" : "well") }
        router.serveAlways("/health")
        let log = LogRecorder()
        try await withServer(router, logger: log.logger) { configuration in
            configuration.overload.loopLag = .milliseconds(60)
            configuration.overload.onset = .milliseconds(300)
            configuration.overload.recovery = .milliseconds(300)
        } _: { server in
            let address = server.addresses[0]
            /// Returns the response to a request on a connection of its own.
            @Sendable func get(_ path: String) async throws -> String {
                let client = try RawClient(to: address)
                try await client.send(
                    "GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return String(decoding: try await client.readToEnd(), as: UTF8.self)
            }
            /// Returns the first response that begins and ends with the texts. On a busy machine,
            /// the lag may be so extreme at times that connections are closed when they are
            /// accepted, and so small at others that the loop counts as well again.
            @Sendable func get(
                _ path: String, until beginning: String, _ end: String = ""
            ) async throws -> String {
                try await within(.seconds(60), "a response with \(beginning) and \(end)") {
                    while true {
                        if let response = try? await get(path),
                            response.hasPrefix(beginning), response.hasSuffix(end)
                        {
                            return response
                        }
                    }
                }
            }
            // One message or another is always at work, so that the loop is late all the time.
            let work = [try RawClient(to: address), try RawClient(to: address)].map { client in
                Task {
                    _ = try await client.upgrade("/blocking")
                    while !Task.isCancelled {
                        try await client.send(.text("work"))
                        _ = try await client.readFrame()
                    }
                }
            }
            try await within(.seconds(120)) {
                while !server.server.isOverloaded { await Task.yield() }
            }
            let refused = try await get("/page", until: "HTTP/1.1 503 ")
            #expect(refused.contains(/[Rr]etry-[Aa]fter: [123]\r\n/))
            _ = try await get("/health", until: "HTTP/1.1 200 ", "overloaded")
            for task in work { task.cancel() }
            // The open connections were served all the time.
            for task in work { try await task.value }
            try await within(.seconds(120)) {
                while server.server.isOverloaded { await Task.yield() }
            }
            _ = try await get("/page", until: "HTTP/1.1 200 ", "page")
            #expect(await server.server.counters().refusedByOverload > 0)
        }
        let begun = log.lines(with: "overloaded: new connections are refused").count
        #expect(begun > 0 && log.lines(with: "no longer overloaded").count == begun)
    }
}
