import RealtimeApp
import Testing
import WebSocketServer

@testable import apus

@Suite("Reload")
struct ReloadTests {
    @Test("Each key has a decision about its effect after a reload", arguments: Sample.all)
    func decided(_ sample: Sample) {
        #expect(Effect.decided(of: sample.key) != nil)
    }

    @Test(
        "A changed key is reported, and is in effect or needs a restart", arguments: Sample.all)
    func changed(_ sample: Sample) async throws {
        let current = SettingsDraft()
        let read = try load(set: [(sample.key, sample.text)]).draft
        let (changes, effective) = KeyChange.find(from: current, to: read)
        let change = try #require(changes.first)
        #expect(changes.count == 1 && change.key == sample.key)
        let key = try #require(Schema.key(named: sample.key))
        #expect(change.from == key.shown(key.initial))
        #expect(change.to == key.shown(sample.text))
        // A value that waits for a restart is reported again by the next reload, another isn't.
        let isInEffect = change.effect != .restart
        #expect(sample.arrived(Settings(effective)) == isInEffect)
        #expect(key.isEqual(in: effective, read) == isInEffect)
        #expect(KeyChange.find(from: effective, to: read).changes == (isInEffect ? [] : changes))
        // The library is never asked for what it can't change.
        let server = try Server(
            configuration: Settings(current).server, router: Router(), logger: .init(label: "t"))
        #expect(try await server.update(Settings(effective).server) == [])
    }

    @Test("A changed secret is found, and not shown")
    func secrets() throws {
        let urls = ["redis://user:one@cache", "redis://user:two@cache"]
        let drafts = try urls.map { try load(set: [("broker.url", $0)]).draft }
        let changes = KeyChange.find(from: drafts[0], to: drafts[1]).changes
        #expect(changes.map(\.key) == ["broker.url"])
        #expect(changes.allSatisfy { $0.from == "<secret>" && $0.to == "<secret>" })
    }

    @Test("Certificates can be replaced, but TLS can't be turned on or off")
    func tls() throws {
        let plain = SettingsDraft()
        let one = try load(set: [("tls.certificate", "a"), ("tls.key", "b")]).draft
        let other = try load(set: [("tls.certificate", "c"), ("tls.key", "d")]).draft
        #expect(KeyChange.find(from: plain, to: one).changes.map(\.effect) == [.restart, .restart])
        #expect(KeyChange.find(from: one, to: plain).effective.tls.certificate == "a")
        let (changes, effective) = KeyChange.find(from: one, to: other)
        #expect(changes.map(\.effect) == [.newConnections, .newConnections])
        #expect(effective.tls.certificate == "c")
    }
}
