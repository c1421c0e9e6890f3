import HTTPProtocol
import Testing
import UVTransport

@testable import WebSocketServer

@Suite("The names in Host") struct HostCheckTests {
    private func check(
        _ names: HostPolicy, at listener: String, proxyProtocol: Bool = false
    ) throws -> HostCheck? {
        var configuration = ServerConfiguration()
        configuration.names = names
        if proxyProtocol { configuration.proxies.proxyProtocol = .required }
        let address =
            listener == "unix"
            ? SocketAddress.unix
            : SocketAddress(try #require(IPAddress(listener)), port: 8080)
        return HostCheck(configuration, listener: address)
    }

    @Test(
        "A loopback listener answers to loopback names and its own address",
        arguments: [
            "localhost", "LOCALHOST:8080", "localhost.", "localhost.:80", "app.localhost",
            "a.b.LocalHost:1", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080", "127.0.0.2:8080",
        ])
    func loopback(_ host: String) throws {
        let check = try #require(try check(.automatic, at: "127.0.0.2"))
        #expect(check.allows(host, isProxied: false))
    }

    @Test(
        "A loopback listener refuses other names and addresses",
        arguments: [
            "evil.example", "evil.example:8080", "localhost.evil.example", "xlocalhost", "",
            ".localhost", "127.0.0.3", "127.1", "2130706433", "0x7f000001",
            "192.0.2.1", "[::2]", "[::1", "[]", "::1", "localhost..", "0.0.0.0", "[::]",
            "127.0.0.1.evil.example", "localhost@evil.example", "\u{FF4C}ocalhost",
        ])
    func foreign(_ host: String) throws {
        for listener in ["127.0.0.2", "::1"] {
            let check = try #require(try check(.automatic, at: listener))
            #expect(!check.allows(host, isProxied: false))
        }
    }

    @Test("By default, other listeners and proxies name any host")
    func elsewhere() throws {
        for listener in ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "unix"] {
            #expect(try check(.automatic, at: listener) == nil)
        }
        #expect(try check(.any, at: "127.0.0.1") == nil)
        #expect(try check(.automatic, at: "127.0.0.1", proxyProtocol: true) == nil)
        let loopback = try #require(try check(.automatic, at: "::1"))
        #expect(loopback.allows("app.example.com", isProxied: true))
        // Only HTTP/1.0 names no host, and browsers don't speak it.
        #expect(loopback.allows(nil, isProxied: false))
    }

    @Test("Listed names are the only ones, everywhere and for proxies too")
    func listed() throws {
        let patterns = ["App.Example.com", "*.example.org"].compactMap { HostPolicy.Pattern($0) }
        for listener in ["127.0.0.1", "0.0.0.0", "unix"] {
            let check = try #require(try check(.only(patterns), at: listener))
            for host in [
                "app.example.com", "APP.example.com:443", "app.example.com.", "a.example.org",
                "a.b.example.org", "localhost:8080",
            ] {
                #expect(check.allows(host, isProxied: true), "\(host)")
            }
            for host in [
                "example.com", "x.app.example.com", "example.org", ".example.org",
                "aexample.org", "evil.example",
            ] {
                #expect(!check.allows(host, isProxied: true), "\(host)")
            }
        }
    }

    @Test("An address in Host is the listener's, any for one on all addresses")
    func literals() throws {
        let own = try #require(try check(.only([]), at: "192.0.2.1"))
        #expect(own.allows("192.0.2.1:80", isProxied: false))
        #expect(!own.allows("192.0.2.2", isProxied: false))
        #expect(!own.allows("127.0.0.1", isProxied: false))
        for listener in ["0.0.0.0", "::"] {
            let all = try #require(try check(.only([]), at: listener))
            #expect(all.allows("192.0.2.2", isProxied: false))
            #expect(all.allows("[2001:db8::1]:80", isProxied: false))
            #expect(!all.allows("[2001:db8::1.evil.example", isProxied: false))
        }
        let socket = try #require(try check(.only([]), at: "unix"))
        #expect(!socket.allows("127.0.0.1", isProxied: false))
    }

    @Test(
        "Only host names are patterns",
        arguments: ["", "*", "*.", "a..b", "a:80", "http://a", "[::1]", "*a.example", "a.*.b", "ü"])
    func invalid(_ text: String) {
        #expect(HostPolicy.Pattern(text) == nil)
    }
}
