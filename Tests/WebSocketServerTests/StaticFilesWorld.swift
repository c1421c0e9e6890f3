import Foundation
import Testing
import WebSocketTesting

@testable import WebSocketServer

/// A folder for one test, and a server for its files at `/static/`.
final class StaticFilesWorld: Sendable {
    /// The folder that is served, within `outside`.
    let folder: String
    let outside: String

    init() throws {
        outside =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-files-\(UUID().uuidString)").path
        folder = "\(outside)/public"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        try Data("secret".utf8).write(to: URL(fileURLWithPath: "\(outside)/secret.txt"))
    }

    deinit { try? FileManager.default.removeItem(atPath: outside) }

    func write(_ bytes: [UInt8], to name: String) throws {
        let url = URL(fileURLWithPath: "\(folder)/\(name)")
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder)/\(name)", withDestinationPath: target)
    }

    /// Returns a router whose `/static/…` leads to the folder, down to four segments.
    func router(_ configure: (inout StaticFiles) -> Void = { _ in }) throws -> Router {
        var files = try StaticFiles(folder: folder)
        configure(&files)
        var router = Router()
        let served = files
        for names in [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]] {
            router.get("/static/" + names.map { "{\($0)}" }.joined(separator: "/")) { request in
                let path = names.compactMap { request.parameters[$0] }
                return try await served.respond(to: request, path: path)
            }
        }
        router.get("/root") { try await served.respond(to: $0, path: [""]) }
        // Any segments, separated by bars.
        router.get("/segments/{all}") { request in
            let path = (request.parameters["all"] ?? "").utf8
                .split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
                .map { ExactString(String(Substring($0))) }
            return try await served.respond(to: request, path: path)
        }
        return router
    }

    struct Reply: Sendable {
        var status = 0
        var fields: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }

        init(_ bytes: [UInt8]) throws {
            let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
            let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                .components(separatedBy: "\r\n")
            status = Int(head[0].split(separator: " ")[1]) ?? 0
            for line in head.dropFirst() {
                let parts = line.components(separatedBy: ": ")
                fields[parts[0].lowercased()] = parts.dropFirst().joined(separator: ": ")
            }
            body = Array(bytes[end.upperBound...])
        }
    }

    static func request(
        _ target: String, on server: TestServer, method: String = "GET",
        _ fields: [String: String] = [:]
    ) async throws -> Reply {
        let client = try server.raw()
        let lines = fields.map { "\($0.key): \($0.value)\r\n" }.joined()
        try await client.send(
            "\(method) \(target) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(lines)\r\n")
        return try Reply(try await client.readToEnd())
    }
}
