import Foundation
import LiveTesting
import Testing
import TLSFilter

@testable import WebSocketServer

@Suite("TLS of servers and clients")
struct TLSTests {
    /// The files of a certificate that its own key has signed.
    private final class Files: Sendable {
        let folder: URL
        var certificate: String { folder.appending(path: "a.pem").path }
        var key: String { folder.appending(path: "a.key").path }

        init(_ names: [String] = ["localhost", "127.0.0.1"]) throws {
            folder = FileManager.default.temporaryDirectory
                .appending(path: "apus-tls-\(UInt64.random(in: 0 ... .max))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
            let made = try SelfSignedCertificate(names: names, days: 1)
            try made.certificate.write(toFile: certificate, atomically: true, encoding: .utf8)
            try made.key.write(toFile: key, atomically: true, encoding: .utf8)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        func context(replacing previous: TLSContext? = nil) throws -> TLSContext {
            try TLSContext(
                certificates: [CertificateFiles(certificate: certificate, key: key)],
                replacing: previous)
        }
    }

    private func echo() -> Router {
        var router = Router()
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        return router
    }

    private func url(_ server: LiveServer, _ host: String = "127.0.0.1") -> String {
        "wss://\(host):\(server.port)/echo"
    }

    @Test("A client and a server exchange messages of all sizes")
    func messages() async throws {
        let files = try Files()
        let context = try files.context()
        try await withServer(echo(), configure: { $0.tls = context }) { server in
            try await withClient(tls: ClientTLS(authority: files.certificate)) { client in
                for host in ["127.0.0.1", "localhost"] {
                    let connection = try await client.connect(to: url(server, host))
                    for size in [0, 1, 1_000, 16_384, 16_385, 100_000, 1_000_000] {
                        let message = Message([UInt8](repeating: UInt8(size & 0xFF), count: size))
                        try await connection.send(message)
                        #expect(await connection.receive()?.bytes == message.bytes)
                    }
                    let end = await connection.close()
                    #expect(end.code == .normalClosure)
                }
            }
            let counters = await server.server.counters()
            #expect(counters.tls.completed == 2)
            #expect(counters.tls.failed == 0)
        }
    }

    @Test("A client refuses a server that it doesn't trust, or that is another host")
    func mistrust() async throws {
        let files = try Files(["example.org"])
        let context = try files.context()
        try await withServer(echo(), configure: { $0.tls = context }) { server in
            for tls in [ClientTLS(), ClientTLS(authority: files.certificate)] {
                try await withClient(tls: tls) { client in
                    let error = await #expect(throws: ClientError.self) {
                        try await client.connect(to: url(server))
                    }
                    #expect(error?.code == .tlsFailed)
                    #expect(error?.detail.contains("the certificate is refused") == true)
                }
            }
            try await withClient(tls: ClientTLS(verifiesServer: false)) { client in
                let connection = try await client.connect(to: url(server))
                await connection.close()
            }
        }
    }

    @Test("A client that speaks TLS to a plain server fails with the reason")
    func plainServer() async throws {
        try await withServer(echo()) { server in
            try await withClient { client in
                let error = await #expect(throws: ClientError.self) {
                    try await client.connect(to: url(server))
                }
                #expect(error?.code == .tlsFailed)
            }
        }
    }

    @Test("A missing authority's file is an error")
    func missingAuthority() async throws {
        try await withClient(tls: ClientTLS(authority: "/nowhere.pem")) { client in
            let error = await #expect(throws: ClientError.self) {
                try await client.connect(to: "wss://127.0.0.1:1/")
            }
            #expect(error?.code == .tlsFailed)
            #expect(error?.detail.contains("/nowhere.pem") == true)
        }
    }

    @Test("New connections get a replaced certificate, and old ones stay open")
    func replacement() async throws {
        let (old, new) = (try Files(), try Files())
        let context = try old.context()
        let next = try new.context(replacing: context)
        try await withServer(echo(), configure: { $0.tls = context }) { server in
            try await withClient(tls: ClientTLS(authority: old.certificate)) { client in
                let connection = try await client.connect(to: url(server))
                await server.server.replaceTLS(with: next)
                let error = await #expect(throws: ClientError.self) {
                    try await client.connect(to: url(server))
                }
                #expect(error?.code == .tlsFailed)
                try await connection.send("still here")
                #expect(await connection.receive()?.text == "still here")
                try await withClient(tls: ClientTLS(authority: new.certificate)) { client in
                    let connection = try await client.connect(to: url(server))
                    await connection.close()
                }
                await connection.close()
            }
        }
    }
}
