import HTTPProtocol
import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Decisions at once and later") struct UpgradeRefusalTests {
    @Test(
        "A refusal has its status, header fields and body, at once or later; the next request follows"
    )
    func refusals() async throws {
        let waiting = Waiting()
        var router = UpgradeWaitingTests.router(waiting)
        for path in ["/now", "/later"] {
            router.upgrade("\(path)/problem") { _ in
                if path == "/later" { try await waiting.wait() }
                return .refuse(
                    .unauthorized, "A token is needed.",
                    headerFields: [.wwwAuthenticate: "Bearer"])
            }
            router.upgrade("\(path)/page") { _ in
                if path == "/later" { try await waiting.wait() }
                return .refuse(.text("<p>no</p>", type: "text/html", status: .gone))
            }
            router.upgrade("\(path)/stream") { _ in
                if path == "/later" { try await waiting.wait() }
                let parts = Locked(["a", "b"])
                return .refuse(
                    Response(status: .notFound) {
                        parts.withLock { $0.isEmpty ? nil : [UInt8]($0.removeFirst().utf8) }
                    })
            }
            router.upgrade("\(path)/wrong") { _ in
                if path == "/later" { try await waiting.wait() }
                return .refuse(Response(status: .switchingProtocols))
            }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            for path in ["/now", "/later"] {
                func ask(_ name: String) async throws {
                    // The next request comes early.
                    try await client.send(
                        RawClient.upgradeRequest("\(path)/\(name)")
                            + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    guard path == "/later" else { return }
                    _ = try await waiting.begun.next()
                    waiting.open()
                }
                try await ask("problem")
                let problem = try await client.readResponse()
                #expect(problem.head.hasPrefix("HTTP/1.1 401 "))
                #expect(problem.head.contains("WWW-Authenticate: Bearer\r\n"))
                #expect(problem.head.contains("application/problem+json"))
                #expect(problem.body.contains("A token is needed."))
                #expect(try await client.readResponse().body == "root")
                try await ask("page")
                let page = try await client.readResponse()
                #expect(page.head.hasPrefix("HTTP/1.1 410 ") && page.body == "<p>no</p>")
                #expect(page.head.contains("text/html"))
                #expect(try await client.readResponse().body == "root")
                try await ask("stream")
                let stream = try await client.read(through: Array("0\r\n\r\n".utf8))
                #expect(String(decoding: stream, as: UTF8.self).contains("1\r\na\r\n1\r\nb\r\n"))
                #expect(try await client.readResponse().body == "root")
                try await ask("wrong")
                #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 500 "))
                #expect(try await client.readResponse().body == "root")
            }
        }
    }

    @Test("A decision that doesn't suspend is made at once, without a job on the loop")
    func immediate() async throws {
        var router = Router()
        let recorder = Recorder()
        router.upgrade("/now") { _ in .accept(recorder) }
        router.group("/", middleware: [RequestID(), BearerAuthentication { $0 }]) {
            $0.upgrade("/middleware") { _ in .accept(recorder) }
        }
        router.upgrade("/later") { _ in
            await Task.yield()
            return .accept(recorder)
        }
        router.upgrade("/ws") { _ in .accept(recorder) }
        try await withServer(router) { [router] server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            for (path, waits) in [("/now", false), ("/middleware", false), ("/later", true)] {
                let text = RawClient.upgradeRequest(path, "Authorization: Bearer t\r\n")
                let isWaiting = await connection.onLoop { core in
                    var parser = RequestParser(
                        limits: HTTPLimits(headSizeMax: 4_096, headerCountMax: 100))
                    let event = Array(text.utf8).withUnsafeBytes { parser.parse($0).event }
                    var configuration = ServerConfiguration()
                    configuration.origins = .any
                    let settings = HTTPSettings(
                        configuration, router: router, publisher: .idle,
                        overload: Overload(configuration.overload, loopCount: 1),
                        warnings: ServerWarnings(logger: .silent), logger: .silent)
                    guard case .head(let head) = event,
                        case .webSocket(let route, let parameters) =
                            settings.routes.find(head, isUpgrade: true)
                    else { return nil as Bool? }
                    let pending = PendingUpgrade(head, route, parameters, settings)
                    pending.start(on: core)
                    return pending.isWaiting
                }
                #expect(isWaiting == waits, "\(path)")
            }
            await client.close()
        }
    }
}
