import LiveTesting
import Testing
import UVTransport

@testable import WebSocketServer

@Suite("Update of the settings")
struct UpdateTests {
    @Test("Settings that can't change are named, and stay")
    func fixed() async throws {
        let server = try Server(
            configuration: ServerConfiguration(), router: Router(), logger: .silent)
        var other = ServerConfiguration(address: .unix(path: "/tmp/other"))
        other.loops = 3
        other.backlog = 5
        other.handlesSignals = true
        other.compression.serverWindowBits = 15
        other.limits.messageSizeMax = .bytes(7)
        let ignored = try await server.update(other)
        #expect(
            ignored == [
                "addresses", "loops", "backlog", "handlesSignals", "compression.serverWindowBits",
            ])
        let configuration = server.shared.configuration
        #expect(configuration.addresses == ServerConfiguration().addresses)
        #expect(configuration.limits.messageSizeMax == .bytes(7))
    }

    @Test("Invalid settings or routes change nothing")
    func invalid() async throws {
        let server = try Server(
            configuration: ServerConfiguration(), router: Router(), logger: .silent)
        var other = ServerConfiguration()
        other.limits.messageSizeMax = .bytes(7)
        var router = Router()
        router.webSocket("/a", adjusting: { $0.limits.messageSizeMax = .bytes(0) }) { _ in }
        await #expect(throws: ConfigurationErrors.self) {
            try await server.update(other, router: router)
        }
        router = Router()
        router.webSocket("no slash") { _ in }
        await #expect(throws: RouteErrors.self) {
            try await server.update(other, router: router)
        }
        #expect(server.shared.configuration.limits.messageSizeMax == .mebibytes(1))
    }

    @Test("The places of connections are counted by the rule under which they came")
    func places() throws {
        final class Member: AdmissionMember, @unchecked Sendable {
            // Safety: one test uses it, on one thread.
            var place = Place.none
            var peer = SocketAddress(.v4(0x7F00_0001), port: 1)
            func evict() {}
        }
        let admission = Admission(max: 100, perAddressMax: nil)
        var proxies = ProxyConfiguration()
        proxies.trusted = [TrustedProxy("127.0.0.0/8")!]
        var members: [Member] = []
        for trusted in [ProxyConfiguration(), proxies, ProxyConfiguration()] {
            admission.update(max: 100, perAddressMax: nil, proxies: trusted)
            for holds in [false, true] {
                let member = Member()
                let entry = admission.enter(member.peer)
                // Another thread may reload between the two steps.
                admission.update(max: 100, perAddressMax: nil, proxies: proxies)
                admission.wait(member, entry: entry)
                if holds { #expect(admission.hold(member)) }
                members.append(member)
                admission.update(max: 100, perAddressMax: nil, proxies: trusted)
            }
        }
        #expect(admission.current.total == 6 && admission.current.addresses == 1)
        admission.update(max: 2, perAddressMax: 2, proxies: ProxyConfiguration())
        let late = Member()
        #expect(admission.enter(late.peer).verdict == .noRoom)
        for member in members { admission.leave(member) }
        #expect(admission.current == (0, 0, 0))
        #expect(admission.enter(late.peer).verdict == .admitted)
    }
}
