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
            usleep(200_000)
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
            configuration.overload.loopLag = .milliseconds(100)
            configuration.overload.onset = .milliseconds(300)
            configuration.overload.recovery = .milliseconds(300)
        } _: { server in
            let address = server.addresses[0]
            /// Returns the response to a request on a connection of its own.
            func get(_ path: String) async throws -> String {
                let client = try RawClient(to: address)
                try await client.send("GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return String(decoding: try await client.readToEnd(), as: UTF8.self)
            }
            let kept = try RawClient(to: address)
            _ = try await kept.upgrade("/blocking")
            // Each message takes 200 ms, so that the loop is always late while they last.
            let work = Task {
                while !Task.isCancelled {
                    for _ in 0..<4 { try await kept.send(.text("work")) }
                    for _ in 0..<4 { _ = try await kept.readFrame() }
                }
            }
            try await within(.seconds(30)) {
                while !server.server.isOverloaded { await Task.yield() }
            }
            let refused = try await get("/page")
            #expect(refused.hasPrefix("HTTP/1.1 503 "))
            #expect(refused.contains(/[Rr]etry-[Aa]fter: [123]\r\n/))
            #expect(try await get("/health").hasSuffix("overloaded"))
            work.cancel()
            // The open connection was served all the time.
            try await work.value
            try await within(.seconds(30)) {
                while server.server.isOverloaded { await Task.yield() }
            }
            #expect(try await get("/page").hasSuffix("page"))
            #expect(await server.server.counters().refusedByOverload == 1)
        }
        #expect(log.lines(with: "overloaded: new connections are refused").count == 1)
        #expect(log.lines(with: "no longer overloaded").count == 1)
    }
}
