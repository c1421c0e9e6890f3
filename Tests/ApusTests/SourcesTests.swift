import Logging
import Testing
import WebSocketServer

@testable import apus

@Suite("Sources")
struct SourcesTests {
    @Test("There is a sample and a limit for every key")
    func samplesAreComplete() {
        #expect(Sample.all.map(\.key) == Schema.keys.map(\.name))
        #expect(Set(Ends.all.map(\.key)) == Set(Schema.keys.map(\.name)))
    }

    @Test("Every key is read from the file", arguments: Sample.all)
    func file(_ sample: Sample) throws {
        let loaded = try load(yaml: nestedYAML(sample.key, sample.text))
        try expect(sample, in: loaded)
        guard case .file(_, let line) = loaded.origins[sample.key] else {
            Issue.record("not from the file: \(loaded.origins)")
            return
        }
        #expect(line == sample.key.split(separator: ".").count)
    }

    @Test("Every key is read from the environment", arguments: Sample.all)
    func environment(_ sample: Sample) throws {
        let variable =
            "APUS_" + sample.key.uppercased().split(separator: ".").joined(separator: "_")
        let loaded = try load(environment: [variable: sample.text])
        try expect(sample, in: loaded)
        #expect(loaded.origins == [sample.key: .environment(variable: variable)])
    }

    @Test("Every key is read from the command line", arguments: Sample.all)
    func commandLine(_ sample: Sample) throws {
        let loaded = try load(set: [(sample.key, sample.text)])
        try expect(sample, in: loaded)
        #expect(loaded.origins == [sample.key: .option("--set")])
    }

    private func expect(_ sample: Sample, in loaded: Loaded) throws {
        #expect(sample.arrived(loaded.settings))
        for key in Schema.keys {
            let expected = key.name == sample.key ? sample.text : key.initial
            #expect(key.value(in: loaded.draft) == expected, "\(key.name)")
        }
    }

    @Test("Without any source, every value is the library's default")
    func defaults() throws {
        let settings = try load().settings
        #expect(String(reflecting: settings.server) == String(reflecting: ServerConfiguration()))
        #expect(!settings.tools)
        #expect(settings.logLevel == .info)
    }

    @Test("The environment takes precedence over the file, the command line over both")
    func precedence() throws {
        let yaml = nestedYAML("limits.fragments.max", "10")
        let environment = ["APUS_LIMITS_FRAGMENTS_MAX": "20"]
        let set = [("limits.fragments.max", "30")]
        func fragments(_ loaded: Loaded) -> Int? { loaded.settings.server.limits.fragmentsMax }
        #expect(fragments(try load(yaml: yaml)) == 10)
        #expect(fragments(try load(yaml: yaml, environment: environment)) == 20)
        #expect(fragments(try load(environment: environment, set: set)) == 30)
        #expect(fragments(try load(yaml: yaml, set: set)) == 30)
        #expect(fragments(try load(yaml: yaml, environment: environment, set: set)) == 30)
    }

    @Test("Of several values for one key on the command line, the last one counts")
    func lastWins() throws {
        let loaded = try load(set: [("server.port", "1"), ("server.port", "2")])
        #expect(loaded.settings.server.addresses == [.hostname("127.0.0.1", port: 2)])
    }

    @Test(
        "Sizes and durations may be written in several ways",
        arguments: [
            ("limits.message.max", "65536", "64KiB"), ("limits.message.max", "64 KiB", "64KiB"),
            ("limits.message.max", "1024KiB", "1MiB"), ("limits.message.max", "1000", "1000"),
            ("limits.handshake.timeout", "1000ms", "1s"),
            ("limits.handshake.timeout", "90s", "90s"), ("limits.handshake.timeout", "60s", "1m"),
            ("limits.idle.timeout", "48h", "2d"), ("limits.idle.timeout", "0ms", "0s"),
        ])
    func forms(_ name: String, _ text: String, _ canonical: String) throws {
        let key = try #require(Schema.key(named: name))
        #expect(key.value(in: try load(set: [(name, text)]).draft) == canonical)
        #expect(key.value(in: try load(yaml: nestedYAML(name, text)).draft) == canonical)
    }
}
