import Foundation
import RealtimeApp
import Testing
import WebSocketServer

@testable import apus

@Suite("The environment")
struct EnvironmentTests {
    /// The variables for a service that Kubernetes sets in every container of its namespace.
    private func links(_ service: String, port: Int = 8_080, of transport: String = "tcp")
        -> [String: String]
    {
        let (link, name) = ("\(transport)://10.0.0.1:\(port)", transport.uppercased())
        return [
            "\(service)_SERVICE_HOST": "10.0.0.1", "\(service)_SERVICE_PORT": "\(port)",
            "\(service)_SERVICE_PORT_HTTP": "\(port)", "\(service)_PORT": link,
            "\(service)_PORT_\(port)_\(name)": link,
            "\(service)_PORT_\(port)_\(name)_PROTO": transport,
            "\(service)_PORT_\(port)_\(name)_PORT": "\(port)",
            "\(service)_PORT_\(port)_\(name)_ADDR": "10.0.0.1",
        ]
    }

    private func warnings(
        yaml: String? = nil, _ environment: [String: String], set: [(String, String)] = []
    ) throws -> [String] {
        try load(yaml: yaml, environment: environment, set: set).warnings.map(\.description)
    }

    @Test("Variables of other programs and of service links are ignored without a warning")
    func foreign() throws {
        #expect(try warnings(["PATH": "/bin", "APUSX": "1", "SERVER_PORT": "x"]) == [])
        for service in ["APUS", "APUS_ADMIN", "APUS_PORT", "APUS_SERVICE"] {
            for (port, transport) in [(80, "tcp"), (8_080, "tcp"), (53, "udp"), (9, "sctp")] {
                let environment = links(service, port: port, of: transport)
                #expect(try warnings(environment) == [], "\(service) \(port)")
            }
        }
    }

    @Test("A service link doesn't set the key whose variable has its name")
    func linkToKey() throws {
        let environment = links("APUS_SERVER")
        let loaded = try load(environment: environment)
        #expect(loaded.settings.server.addresses == [.hostname("127.0.0.1", port: 8_080)])
        #expect(
            loaded.warnings.map(\.description) == [
                "APUS_SERVER_PORT: ignored, as it is a service link of Kubernetes: "
                    + "server.port is 8080, its default"
            ])
        let elsewhere = try load(yaml: "server: { port: 9000 }", environment: environment)
        #expect(elsewhere.settings.server.addresses == [.hostname("127.0.0.1", port: 9_000)])
        #expect(try warnings(environment, set: [("server.port", "1")]) == [])
    }

    @Test(
        "An invalid value of a key is an error, even if it looks like a link",
        arguments: [
            ("APUS_SERVER_PORT", "http://10.0.0.1:80"), ("APUS_SERVER_PORT", "x"),
            ("APUS_SERVER_BACKLOG", "tcp://10.0.0.1:80"), ("APUS_BROKER_URL", "tcp://10.0.0.1:80"),
            ("APUS_SERVER_HOST", "tcp://10.0.0.1:80"), ("APUS_SERVER_PORT", " "),
        ])
    func invalid(_ variable: String, _ value: String) {
        #expect(faults(environment: [variable: value]).count == 1)
    }

    @Test("A variable that isn't a key is a warning, with a suggestion")
    func unknown() throws {
        let found = try warnings([
            "APUS_SERVR_PORT": "1", "APUS_MESSAGE_MAX": "1", "APUS_ZZZZZZZZZZZ": "1",
            "APUS_VERSION": "1.2.3", "APUS_": "",
        ])
        #expect(found.count == 5)
        for line in [
            "APUS_SERVR_PORT: unknown environment variable; did you mean APUS_SERVER_PORT?",
            "APUS_MESSAGE_MAX: unknown environment variable; did you mean APUS_LIMITS_MESSAGE_MAX?",
            "APUS_ZZZZZZZZZZZ: unknown environment variable",
        ] {
            #expect(found.contains(line))
        }
    }

    @Test("The variables of the shipped load balancer's file don't prevent a start")
    func balancer() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../config/haproxy.cfg")
        let text = try String(contentsOf: file, encoding: .utf8)
        let names = text.matches(of: #/presetenv (APUS_\w+) (\S+)/#)
        #expect(names.count == 5)
        _ = try load(
            environment: Dictionary(
                uniqueKeysWithValues: names.map { (String($0.1), String($0.2)) }))
    }

    private static let secret = String(repeating: "s", count: 32)

    @Test("An empty variable keeps the file's value, with a warning that doesn't show secrets")
    func emptyBesidesFile() throws {
        let yaml = "auth: { jwt: { secret: \(Self.secret) } }"
        let loaded = try load(yaml: yaml, environment: ["APUS_AUTH_JWT_SECRET": ""])
        #expect(loaded.settings.auth.secret == Self.secret)
        let warning = try #require(loaded.warnings.first?.description)
        #expect(loaded.warnings.count == 1)
        #expect(warning.hasPrefix("APUS_AUTH_JWT_SECRET: ignored, as it is empty: "))
        #expect(warning.contains("auth.jwt.secret is <secret>, from "))
    }

    @Test(
        "Every key's variable counts as unset when it is empty", arguments: Schema.keys.map(\.name))
    func empty(_ name: String) throws {
        let key = try #require(Schema.key(named: name))
        let loaded = try load(environment: [key.environmentVariable: ""])
        #expect(loaded.origins == [:])
        #expect(key.value(in: loaded.draft) == key.initial)
        #expect(loaded.warnings.isEmpty == key.initial.isEmpty)
    }

    @Test("An empty value in --set or in the file empties the key")
    func emptyOnPurpose() throws {
        let environment = ["APUS_TASKS_DATABASE": "elsewhere"]
        let loaded = try load(environment: environment, set: [("tasks.database", "")])
        #expect(loaded.settings.tasksDatabase == nil)
        #expect(try load(yaml: "tasks: { database: \"\" }").settings.tasksDatabase == nil)
        #expect(
            try warnings(["APUS_TASKS_DATABASE": ""], set: [("tasks.database", "")]) == [])
    }
}
