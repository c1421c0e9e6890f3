import Glibc
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("The checked configuration") struct ConfigurationTests {
    private static func errors(_ configuration: ServerConfiguration) -> [ConfigurationError] {
        do throws(ConfigurationErrors) {
            try configuration.validate()
            return []
        } catch {
            return error.errors
        }
    }

    @Test("The defaults are valid, and depend on nothing of the machine")
    func defaults() {
        #expect(Self.errors(ServerConfiguration()) == [])
        #expect(ServerConfiguration().loops == nil)
        #expect(Limits().connectionsMax == nil)
    }

    // MARK: - Ranges

    @Test("A value just outside a range is one error with its name, value and range")
    func beyondRanges() throws {
        for setting in RangedSettings.all {
            if let setting = setting as? RangedSetting<Int> {
                try checkEnds(of: setting) { $0 + $1 }
            } else if let setting = setting as? RangedSetting<ByteCount> {
                try checkEnds(of: setting) { ByteCount($0.bytes + $1) }
            } else if let setting = setting as? RangedSetting<Duration> {
                try checkEnds(of: setting) { $0 + .milliseconds($1) }
            } else {
                Issue.record("\(setting.name) has another type")
            }
        }
    }

    private func checkEnds<Value>(
        of setting: RangedSetting<Value>, _ step: (Value, Int) -> Value
    ) throws {
        for value in [step(setting.range.lowerBound, -1), step(setting.range.upperBound, 1)] {
            var configuration = ServerConfiguration()
            setting.set(value, &configuration)
            let errors = Self.errors(configuration)
            #expect(errors.map(\.name) == [setting.name])
            let error = try #require(errors.first)
            #expect(error.value == value.notation)
            #expect(error.allowed.contains(setting.range.lowerBound.notation))
            #expect(error.allowed.contains(setting.range.upperBound.notation))
            #expect(throws: ConfigurationErrors(errors)) {
                try Server(configuration: configuration, router: Router(), logger: .silent)
            }
        }
        for value in [setting.range.lowerBound, setting.range.upperBound] {
            var configuration = ServerConfiguration()
            setting.set(value, &configuration)
            #expect(setting.error(in: configuration) == nil)
        }
    }

    @Test("Every number, size and duration of a configuration has a range")
    func everySettingHasARange() {
        var found: Set<String> = []
        func look(at value: Any, _ prefix: String) {
            for (label, child) in Mirror(reflecting: value).children {
                // `nil` has no type by which these could be told apart.
                guard let label, label != "tls", label != "accessLog" else { continue }
                let name = prefix + label
                switch child {
                case is Int, is Int?, is ByteCount, is ByteCount?, is Duration, is Duration?:
                    found.insert(name)
                case is Limits, is Heartbeat, is Compression, is TopicConfiguration, is Drain,
                    is OverloadConfiguration:
                    look(at: child, name + ".")
                default: break
                }
            }
        }
        look(at: ServerConfiguration(), "")
        #expect(found == Set(RangedSettings.all.map(\.name)))
    }

    @Test("All errors are reported together")
    func together() {
        var configuration = ServerConfiguration(address: .hostname("", port: 70_000))
        configuration.loops = 0
        configuration.compression.level = 12
        configuration.heartbeat.timeout = .seconds(-1)
        configuration.drain.closeCode = 1000
        let errors = Self.errors(configuration)
        #expect(
            Set(errors.map(\.name)) == [
                "addresses", "loops", "compression.level", "heartbeat.timeout", "drain.closeCode",
            ])
        #expect(
            "\(ConfigurationErrors(errors))".contains("compression.level is 12; allowed: 1 to 9"))
    }

    @Test("An unusual duration is shown as it is")
    func odd() {
        var configuration = ServerConfiguration()
        configuration.limits.closeTimeout = .microseconds(500)
        #expect(Self.errors(configuration).map(\.value) == ["0.0005 seconds"])
        configuration.limits.closeTimeout = .seconds(Int64.max)
        #expect(Self.errors(configuration).map(\.name) == ["limits.closeTimeout"])
    }

    // MARK: - Rules

    @Test("Settings that contradict each other are an error with both")
    func rules() {
        func check(_ name: String, _ other: String, _ change: (inout ServerConfiguration) -> Void) {
            var configuration = ServerConfiguration()
            change(&configuration)
            let errors = Self.errors(configuration)
            #expect(errors.map(\.name) == [name])
            #expect(errors.first?.allowed.contains(other) == true)
        }
        check("limits.assemblySizeMax", "at least limits.messageSizeMax, which is 512MiB") {
            $0.limits.messageSizeMax = .mebibytes(512)
        }
        check("limits.frameSizeMax", "at most limits.messageSizeMax") {
            $0.limits.frameSizeMax = .mebibytes(2)
        }
        check("limits.outboxHighWater", "at most limits.outboxMax") {
            $0.limits.outboxMax = .bytes(1)
        }
        check("drain.deadline", "at least drain.spread") { $0.drain.spread = .seconds(60) }
    }

    @Test(
        "Addresses are checked before the server listens",
        arguments: [
            [], [.hostname("", port: 80)], [.hostname("a", port: -1)],
            [.hostname("a", port: 65_536)], [.hostname("a\u{0}b", port: 80)], [.unix(path: "")],
            [.unix(path: String(repeating: "a", count: 108))], [.unix(path: "/tmp/a\u{0}")],
        ] as [[ListenAddress]])
    func addresses(_ addresses: [ListenAddress]) {
        var configuration = ServerConfiguration()
        configuration.addresses = addresses
        #expect(Self.errors(configuration).map(\.name) == ["addresses"])
    }

    // MARK: - Routes and clients

    @Test("What a route adjusts is checked, and the error names the route")
    func routes() throws {
        var router = Router()
        router.upgrade("/good", adjusting: { $0.limits.messageSizeMax = .bytes(1) }) {
            _ in .refuse(.forbidden, "")
        }
        router.upgrade("/rooms/{room}", adjusting: { $0.compression.level = 0 }) {
            _ in .refuse(.forbidden, "")
        }
        router.upgrade("/big", adjusting: { $0.limits.messageSizeMax = .mebibytes(300) }) {
            _ in .refuse(.forbidden, "")
        }
        var configuration = ServerConfiguration()
        // It applies to the first route, too, whose messages are smaller.
        configuration.limits.frameSizeMax = .bytes(100)
        let error = #expect(throws: ConfigurationErrors.self) {
            try Server(configuration: configuration, router: router, logger: .silent)
        }
        let found = try #require(error).errors.map { "\($0.route ?? "") \($0.name)" }
        #expect(Set(found) == ["/rooms/{room} compression.level", "/big limits.assemblySizeMax"])
        #expect("\(try #require(error))".contains("compression.level of the route /rooms/{room}"))
    }

    @Test("A client checks its limits, and those of each connection")
    func clients() async throws {
        for loops in [0, -1, 257] {
            let error = #expect(throws: ClientError.self) { try WebSocketClient(loops: loops) }
            #expect(error?.code == .invalidConfiguration)
            #expect((error?.underlying as? ConfigurationErrors)?.errors.map(\.name) == ["loops"])
        }
        try await withServer(.echo) { server in
            try await withClient { client in
                let error = await #expect(throws: ClientError.self) {
                    try await client.connect(
                        to: server.url("/ws"), adjusting: { $0.compression.serverWindowBits = 8 })
                }
                #expect(error?.code == .invalidConfiguration)
            }
        }
    }

    // MARK: - Effects

    @Test("Making a configuration, a server or a client leaves the process's limits alone")
    func noEffects() async {
        await #expect(processExitsWith: .success) {
            let before = try Descriptors.lowered(to: 200)
            _ = Limits()
            _ = try Server(
                configuration: ServerConfiguration(), router: Router(), logger: .silent)
            let client = try WebSocketClient(logger: .silent)
            await client.shutdown()
            #expect(Descriptors.soft == before)
            // A running server raises it.
            try await withServer(Router()) { _ in #expect(Descriptors.soft > before) }
        }
    }

    @Test("Random valid configurations start and serve", arguments: 0..<12)
    func random(_ seed: Int) async throws {
        var generator = SplitMix(UInt64(seed))
        var configuration = Self.random(&generator)
        // Such limits would be met at once.
        configuration.overload.isEnabled = false
        try await withServer(.echo) { [configuration] in
            $0 = configuration
        } _: { server in
            try await withClient(
                heartbeat: nil, compression: Compression()
            ) { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await connection.send("x")
                var messages = connection.messages.makeAsyncIterator()
                #expect(try await messages.next()?.text == "x")
            }
        }
    }

    private static func random(_ generator: inout SplitMix) -> ServerConfiguration {
        var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
        for setting in RangedSettings.all {
            if let setting = setting as? RangedSetting<Int> {
                setting.set(value(in: setting.range, &generator), &configuration)
            } else if let setting = setting as? RangedSetting<ByteCount> {
                let range = setting.range.lowerBound.bytes...setting.range.upperBound.bytes
                setting.set(ByteCount(value(in: range, &generator)), &configuration)
            } else if let setting = setting as? RangedSetting<Duration> {
                let unit = Duration.milliseconds(1)
                let range =
                    Int(setting.range.lowerBound / unit)...Int(setting.range.upperBound / unit)
                setting.set(.milliseconds(value(in: range, &generator)), &configuration)
            }
        }
        // One machine, one request that must fit, and a peer that may be slow.
        configuration.loops = 1 + Int(generator.next() % 3)
        configuration.limits.handshakeSizeMax = .kibibytes(4)
        configuration.limits.handshakeHeadersMax = 32
        configuration.limits.handshakeTimeout = .seconds(60)
        configuration.limits.closeTimeout = .seconds(60)
        configuration.limits.idleTimeout = nil
        configuration.limits.lifetime = nil
        configuration.heartbeat.timeout = .seconds(60)
        configuration.drain = Drain()
        configuration.drain.spread = .zero
        // The rules about two settings.
        let limits = configuration.limits
        configuration.limits.assemblySizeMax = max(limits.assemblySizeMax, limits.messageSizeMax)
        configuration.limits.frameSizeMax = limits.frameSizeMax.map {
            min($0, limits.messageSizeMax)
        }
        configuration.limits.outboxMax = max(limits.outboxMax, limits.outboxHighWater)
        return configuration
    }

    /// Returns a value of a range; small ones are as likely as large ones.
    private static func value(in range: ClosedRange<Int>, _ generator: inout SplitMix) -> Int {
        let width = range.upperBound - range.lowerBound
        let bits = UInt64(generator.next() % UInt64(Int.bitWidth - width.leadingZeroBitCount + 1))
        let offset = Int(truncatingIfNeeded: generator.next() & ((1 << bits) - 1))
        return range.lowerBound + min(offset, width)
    }
}

extension Descriptors {
    fileprivate static var soft: Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// Lowers the soft limit of descriptors, and returns it.
    fileprivate static func lowered(to count: Int) throws -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = rlim_t(count)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return soft
    }
}
