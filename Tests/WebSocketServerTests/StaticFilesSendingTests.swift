import Foundation
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("The content of files") struct StaticFilesSendingTests {
    private typealias World = StaticFilesWorld

    /// Bytes in which every place can be told from others.
    private static func content(_ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(
        "Files of all sizes arrive whole, and HEAD names their size",
        arguments: [
            0, 1, 65_535, 65_536, 65_537, 1_000_000,
        ])
    func whole(_ size: Int) async throws {
        let world = try World()
        let content = Self.content(size)
        try world.write(content, to: "a.bin")
        try await withServer(try world.router()) { server in
            let reply = try await World.request("/static/a.bin", on: server)
            #expect(reply.status == 200 && reply.body == content)
            #expect(reply.fields["transfer-encoding"] == nil)
            let head = try await World.request("/static/a.bin", on: server, method: "HEAD")
            #expect(head.fields["content-length"] == "\(size)" && head.body.isEmpty)
        }
    }

    @Test("Ranges are those of the slow twin, in one part or several", arguments: [10, 100_000])
    func ranges(_ size: Int) async throws {
        let world = try World()
        let content = Self.content(size)
        try world.write(content, to: "a.bin")
        try await withServer(try world.router()) { server in
            let tag = try await World.request("/static/a.bin", on: server).fields["etag"]!
            for field in [
                "bytes=0-0", "bytes=0-4", "bytes=-3", "bytes=5-", "bytes=9-9", "bytes=3-100000",
                "bytes=0-0,-1", "bytes=0-1,4-5,8-", "bytes=5-6,0-1", "bytes=200000-", "bytes=-0",
                "bytes=4-3", "lines=0-1", "bytes=0-5,3-9", "bytes=70000-150000,1-2",
                "bytes=0-99999,100000-199999", "bytes=300000-,2-3",
            ] {
                let expected = ByteRangeTests.twin(field, size: size)
                let reply = try await World.request("/static/a.bin", on: server, ["Range": field])
                try Self.check(reply, expected?.map { $0.map { content[$0] } }, content, field)
                if size > 10 { continue }
                // Another version: the ranges would not fit.
                let other = try await World.request(
                    "/static/a.bin", on: server, ["Range": field, "If-Range": "\"x\""])
                #expect(other.status == 200 && other.body == content)
                let same = try await World.request(
                    "/static/a.bin", on: server, ["Range": field, "If-Range": tag])
                #expect(same.status == reply.status)
                // RFC 9110 §14.2: a range is for GET only.
                let head = try await World.request(
                    "/static/a.bin", on: server, method: "HEAD", ["Range": field])
                #expect(head.status == 200)
                #expect(head.fields["content-length"] == "\(size)")
            }
        }
    }

    private static func check(
        _ reply: World.Reply, _ parts: [[UInt8]]?, _ content: [UInt8], _ field: String
    ) throws {
        guard let parts else {
            #expect(reply.status == 200 && reply.body == content, "\(field)")
            return
        }
        guard !parts.isEmpty else {
            #expect(reply.status == 416, "\(field)")
            #expect(reply.fields["content-range"] == "bytes */\(content.count)")
            return
        }
        #expect(reply.status == 206, "\(field)")
        #expect(reply.fields["content-length"] == "\(reply.body.count)")
        if parts.count == 1 {
            #expect(reply.body == parts[0], "\(field)")
            #expect(reply.fields["content-range"]?.hasSuffix("/\(content.count)") == true)
            #expect(reply.fields["content-type"] == "application/octet-stream")
        } else {
            #expect(try Self.parts(of: reply) == parts, "\(field)")
        }
    }

    /// Returns the parts of a `multipart/byteranges`.
    private static func parts(of reply: World.Reply) throws -> [[UInt8]] {
        let type = try #require(reply.fields["content-type"])
        let prefix = "multipart/byteranges; boundary="
        try #require(type.hasPrefix(prefix))
        let delimiter = Array("\r\n--\(type.dropFirst(prefix.count))".utf8)
        var rest = reply.body[...]
        var parts: [[UInt8]] = []
        while let start = rest.firstRange(of: delimiter) {
            rest = rest[start.upperBound...]
            if rest.starts(with: "--\r\n".utf8) {
                #expect(rest.count == 4)
                return parts
            }
            let head = try #require(rest.firstRange(of: Array("\r\n\r\n".utf8)))
            let text = String(decoding: rest[..<head.lowerBound], as: UTF8.self)
            #expect(text.contains("\r\nContent-Type: application/octet-stream"))
            #expect(text.contains("\r\nContent-Range: bytes "))
            rest = rest[head.upperBound...]
            let end = try #require(rest.firstRange(of: delimiter))
            parts.append(Array(rest[..<end.lowerBound]))
        }
        Issue.record("no end of the parts")
        return parts
    }

    @Test("A large file is read as fast as the client takes it, and closed when the client leaves")
    func slowReader() async throws {
        let world = try World()
        let size = 64 << 20
        try world.write([], to: "large.bin")
        #expect(truncate("\(world.folder)/large.bin", off_t(size)) == 0)
        try await withServer(try world.router()) { server in
            let path = "\(world.folder)/large.bin"
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.read(500_000)
            #expect(openFiles(path) == 1)
            let loop = try #require(await server.server.firstLoop)
            for _ in 0..<50 {
                let queued = await loop.onLoop { resources in
                    resources.registry.snapshot().map(\.outboxCount).max() ?? 0
                }
                #expect(queued <= (64 << 10) * 2 + 1_024)
            }
            await client.reset()
            try await within(.seconds(60), "the file to be closed") {
                while openFiles(path) > 0 {
                    try Task.checkCancellation()
                    await Task.yield()
                }
            }
        }
    }

    @Test("A file that is replaced arrives as it was; one that is changed resets the connection")
    func changes() async throws {
        let world = try World()
        let size = 16 << 20
        let content = [UInt8](repeating: 7, count: size)
        try world.write(content, to: "a.bin")
        try await withServer(try world.router()) { server in
            for change in ["replaced", "truncated", "overwritten"] {
                try world.write(content, to: "a.bin")
                let client = try server.raw(receiveBuffer: 4_096)
                try await client.send(
                    "GET /static/a.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                _ = try await client.read(through: Array("\r\n\r\n".utf8))
                switch change {
                case "replaced":
                    try world.write("new", to: "b.bin")
                    #expect(rename("\(world.folder)/b.bin", "\(world.folder)/a.bin") == 0)
                    #expect(try await client.readToEnd() == content)
                    continue
                case "truncated": #expect(truncate("\(world.folder)/a.bin", off_t(size / 2)) == 0)
                default:
                    // Another time is what tells the versions apart.
                    try FileManager.default.setAttributes(
                        [.modificationDate: Date(timeIntervalSince1970: 1_000)],
                        ofItemAtPath: "\(world.folder)/a.bin")
                }
                let rest = try? await client.readToEnd(orReset: true)
                #expect((rest?.count ?? 0) < size, "\(change)")
            }
        }
    }
}

/// Returns how many of this process's descriptors are of a file.
private func openFiles(_ path: String) -> Int {
    let folder = "/proc/self/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == path
    }.count
}
