import Foundation
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Files of a folder") struct StaticFilesTests {
    private typealias World = StaticFilesWorld

    @Test("Files have their media types and validators")
    func types() async throws {
        let world = try World()
        for (name, _) in Self.types { try world.write("content", to: name) }
        try await withServer(try world.router()) { server async throws in
            for (name, type) in Self.types {
                let reply = try await World.request("/static/\(name)", on: server)
                #expect(reply.status == 200 && reply.text == "content")
                #expect(reply.fields["content-type"] == type)
                #expect(reply.fields["content-length"] == "7")
                #expect(reply.fields["accept-ranges"] == "bytes")
                #expect(reply.fields["x-content-type-options"] == "nosniff")
                #expect(reply.fields["etag"]?.hasPrefix("\"7-") == true)
                #expect(reply.fields["last-modified"]?.hasSuffix(" GMT") == true)
                #expect(reply.fields["cache-control"] == nil)
            }
        }
    }

    private static let types = [
        ("a.html", "text/html; charset=utf-8"), ("a.JS", "text/javascript; charset=utf-8"),
        ("a.b.css", "text/css; charset=utf-8"), ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"), ("a", "application/octet-stream"),
        ("a.", "application/octet-stream"), ("a.unknown", "application/octet-stream"),
        ("sub/deep/a.png", "image/png"),
    ]

    @Test("A folder is answered with its index, and redirected to its path with a slash")
    func index() async throws {
        let world = try World()
        try world.write("<p>root", to: "index.html")
        try world.write("<p>sub", to: "sub/index.html")
        try world.write("x", to: "bare/file.txt")
        try await withServer(try world.router()) { server async throws in
            #expect(try await World.request("/root", on: server).text == "<p>root")
            #expect(try await World.request("/segments/%7C", on: server).status == 404)
            #expect(try await World.request("/segments/sub%7C", on: server).text == "<p>sub")
            let reply = try await World.request("/static/sub?a=1", on: server)
            #expect(reply.status == 301 && reply.fields["location"] == "./sub/?a=1")
            #expect(try await World.request("/segments/bare%7C", on: server).status == 404)
            #expect(try await World.request("/static/bare", on: server).status == 404)
            #expect(try await World.request("/segments/index.html%7C", on: server).status == 404)
        }
        try await withServer(try world.router { $0.index = nil }) { server async throws in
            #expect(try await World.request("/segments/sub%7C", on: server).status == 404)
            #expect(try await World.request("/static/sub", on: server).status == 404)
        }
    }

    @Test("No path leads out of the folder, or to a hidden file", arguments: [true, false])
    func traversal(_ resolvesLinks: Bool) async throws {
        let world = try World()
        try world.write("inside", to: "a.txt")
        try world.write("hidden", to: ".env")
        try world.write("hidden", to: ".git/config")
        try world.link("link.txt", to: "../secret.txt")
        try world.link("absolute.txt", to: "\(world.outside)/secret.txt")
        try world.link("up", to: "..")
        try world.link("root", to: "/")
        try world.link("loop", to: "loop")
        try world.link("fd", to: "/proc/self/fd")
        let router = try world.router { $0.resolvesLinks = resolvesLinks }
        try await withServer(router) { server async throws in
            #expect(try await World.request("/static/a.txt", on: server).text == "inside")
            let secret = world.outside + "/secret.txt"
            for path in [
                "../secret.txt", "%2e%2e/secret.txt", "%2E%2E%2Fsecret.txt", "..%2fsecret.txt",
                "%252e%252e/secret.txt", "%252e%252e%252fsecret.txt", "..%5csecret.txt",
                "..\\secret.txt", "a.txt/../../secret.txt", "./a.txt", "a/../a.txt", "..", ".",
                "../", "./", "%2e/", "/a.txt", "//a.txt", "%2fa.txt", secret, "/\(secret)",
                "%2Fetc%2Fpasswd", "//etc/passwd", "/etc/passwd", "a.txt%00", "a.txt%00.html",
                "%00", "link.txt", "absolute.txt", "up/secret.txt", "up/public/a.txt",
                "root/etc/passwd", "loop", "loop/a.txt", "fd/0", ".env", "%2eenv", ".git/config",
                ".git%2fconfig", "a.txt/", "a.txt/b", "a.txt%20", "..;/secret.txt", "...", "....//",
                "%c0%ae%c0%ae/secret.txt", "%ff", String(repeating: "a", count: 300),
                String(repeating: "a/", count: 3) + "a",
            ] {
                let reply = try await World.request("/static/\(path)", on: server)
                #expect([404, 400].contains(reply.status), "\(path)")
                #expect(!reply.text.contains("secret") && !reply.text.contains("root:"))
            }
        }
    }

    @Test(
        "Segments that no path of a file has are refused, wherever they stand",
        arguments: [
            "|a.txt", "sub||b.txt", "||", "..|secret.txt", "sub|..|a.txt", "sub|.|b.txt", "a%2Fb",
            "sub%2Fb.txt", "sub%5Cb.txt", "%2F", ".", "..", ".|", "sub|..|", "%2E%2E%2F",
        ])
    func segments(_ path: String) async throws {
        let world = try World()
        try world.write("inside", to: "a.txt")
        try world.write("inside", to: "sub/b.txt")
        try await withServer(try world.router()) { server async throws in
            #expect(try await World.request("/segments/a.txt", on: server).status == 200)
            #expect(try await World.request("/segments/sub%7Cb.txt", on: server).status == 200)
            let reply = try await World.request(
                "/segments/\(path.replacing("|", with: "%7C"))", on: server)
            #expect(reply.status == 404)
        }
    }

    @Test("Links within the folder are followed, as those of mounted configurations")
    func innerLinks() async throws {
        let world = try World()
        try world.write("mounted", to: "..2024/a.txt")
        try world.link("..data", to: "..2024")
        try world.link("a.txt", to: "..data/a.txt")
        try await withServer(try world.router()) { server async throws in
            #expect(try await World.request("/static/a.txt", on: server).text == "mounted")
            #expect(try await World.request("/static/..data/a.txt", on: server).status == 404)
        }
        // Without the kernel's help, no link is followed.
        try await withServer(try world.router { $0.resolvesLinks = false }) { server async throws in
            #expect(try await World.request("/static/a.txt", on: server).status == 404)
        }
    }

    @Test("What is no regular file, or may not be read, isn't there")
    func otherKinds() async throws {
        let world = try World()
        #expect(mkfifo("\(world.folder)/fifo", 0o600) == 0)
        try await withServer(try world.router()) { server async throws in
            #expect(try await World.request("/static/fifo", on: server).status == 404)
            #expect(try await World.request("/static/missing", on: server).status == 404)
            // The folder may go, and come back.
            try FileManager.default.moveItem(atPath: world.folder, toPath: world.folder + "2")
            #expect(try await World.request("/static/a.txt", on: server).status == 404)
            try world.write("new", to: "a.txt")
            #expect(try await World.request("/static/a.txt", on: server).text == "new")
        }
        #expect(throws: StaticFilesError.self) { try StaticFiles(folder: world.folder + "/no") }
        #expect(throws: StaticFilesError.self) { try StaticFiles(folder: world.folder + "/a.txt") }
        #expect(try StaticFiles(folder: ".").folder.hasPrefix("/"))
    }

    @Test("Hidden files are served if that is wanted, and a cache policy is added")
    func options() async throws {
        let world = try World()
        try world.write("{}", to: ".well-known/a.json")
        let router = try world.router {
            $0.servesHiddenFiles = true
            $0.cacheControl = "max-age=60"
        }
        try await withServer(router) { server async throws in
            let reply = try await World.request("/static/.well-known/a.json", on: server)
            #expect(reply.text == "{}" && reply.fields["cache-control"] == "max-age=60")
            #expect(try await World.request("/static/../secret.txt", on: server).status == 404)
        }
    }

    @Test("A client that has this version receives 304, one that wants another 412")
    func conditions() async throws {
        let world = try World()
        try world.write("content", to: "a.txt")
        try await withServer(try world.router()) { server async throws in
            let first = try await World.request("/static/a.txt", on: server)
            let tag = try #require(first.fields["etag"])
            let date = try #require(first.fields["last-modified"])
            for fields in [["If-None-Match": tag], ["If-Modified-Since": date]] {
                for method in ["GET", "HEAD"] {
                    let reply = try await World.request(
                        "/static/a.txt", on: server, method: method, fields)
                    #expect(reply.status == 304 && reply.body.isEmpty)
                    #expect(reply.fields["etag"] == tag && reply.fields["content-type"] == nil)
                }
            }
            let other = try await World.request("/static/a.txt", on: server, ["If-Match": "\"x\""])
            #expect(other.status == 412)
            try world.write("changed", to: "a.txt")
            let reply = try await World.request("/static/a.txt", on: server, ["If-None-Match": tag])
            #expect(reply.status == 200 && reply.text == "changed")
        }
    }
}
