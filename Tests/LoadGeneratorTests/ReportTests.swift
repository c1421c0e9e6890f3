import Testing
import WebSocketServer

@testable import LoadGenerator

@Suite("The report of a load")
struct ReportTests {
    private func report(
        generator: Double, server: Double?, rate: Double? = nil, messages: Int = 1_000
    ) throws -> LoadReport {
        var plan = LoadPlan(scenario: .echo, url: try WebSocketURL("ws://127.0.0.1:1/"))
        plan.rate = rate
        var report = LoadReport(plan)
        report.tally.messages = messages
        report.seconds = 1
        report.generatorBusy = [0.2, generator]
        report.server = server.map {
            ServerUse(cpuSeconds: $0, userSeconds: 0, busy: $0, busiestThread: $0)
        }
        report.judge()
        return report
    }

    @Test("A saturated server causes no warning")
    func saturated() throws {
        #expect(try report(generator: 0.8, server: 0.97).warnings == [])
        #expect(try report(generator: 0.97, server: 0.97).warnings == [])
    }

    @Test("A generator without spare time is reported")
    func bound() throws {
        let bound = try report(generator: 0.95, server: 0.6)
        #expect(bound.isGeneratorBound)
        #expect(bound.warnings.map { $0.prefix(33) } == ["the generator was the bottleneck:"])
        let unseen = try report(generator: 0.95, server: nil)
        #expect(unseen.warnings.first?.contains("can't be seen") ?? false)
    }

    @Test("A server that wasn't fully loaded is reported")
    func idle() throws {
        let found = try report(generator: 0.4, server: 0.5)
        #expect(found.warnings.first?.contains("only 50 % busy") ?? false)
        #expect(try report(generator: 0.4, server: 0.5, rate: 1_000).warnings == [])
    }

    @Test("A rate that wasn't reached is reported")
    func missedRate() throws {
        let missed = try report(generator: 0.4, server: 0.5, rate: 2_000)
        #expect(missed.warnings.first?.hasPrefix("only 50 % of the rate") ?? false)
    }

    @Test("Messages without an answer have latencies as well")
    func unanswered() throws {
        var silent = try report(generator: 0.1, server: 0.95, rate: 1_000, messages: 0)
        #expect(silent.summary.latencyMicroseconds == nil)
        silent.tally.unanswered = 2
        silent.tally.record(500_000_000, 2)
        #expect(try #require(silent.summary.latencyMicroseconds).p50 > 490_000)
        #expect(silent.summary.unanswered == 2)
        #expect(silent.text.contains("2 still unanswered at the end"))
    }

    @Test("The messages are described: sizes with their weights, or a file's lines")
    func messages() throws {
        var plan = try report(generator: 0.1, server: 0.95).plan
        #expect(LoadReport(plan).summary.sizes == [128])
        #expect(LoadReport(plan).summary.sizeWeights == nil)
        plan.sizes = SizeMix([.init(size: 128, weight: 9), .init(size: 4_096)])
        let mixed = LoadReport(plan)
        #expect(mixed.text.contains("json of 128 B ×9, 4 KiB"))
        #expect(mixed.summary.sizes == [128, 4_096] && mixed.summary.sizeWeights == [9, 1])
        plan.payload = .file(PayloadFile(Array("a\nb\n".utf8)))
        plan.sizes = nil
        let lines = LoadReport(plan)
        #expect(lines.text.contains("the 2 lines of a file, whole"))
        #expect(lines.summary.lines == 2 && lines.summary.sizes == nil)
    }

    @Test("a stall that lasts to the end is reported, and messages on their way are not")
    func stalls() throws {
        var stalled = try report(generator: 0.1, server: 0.95)
        stalled.tally.unanswered = 100
        stalled.tally.longestWait = 5_000_000
        stalled.judge()
        #expect(stalled.stall == nil && stalled.warnings == [])
        #expect(!stalled.text.contains("unanswered"))
        stalled.tally.longestWait = 800_000_000
        stalled.judge()
        let warning = try #require(stalled.warnings.first)
        #expect(warning.contains("100 messages are unanswered, the longest for 800 ms"))
        #expect(stalled.text.contains("100 still unanswered at the end"))
        #expect(stalled.failure == nil)
        #expect(stalled.summary.longestUnansweredMicroseconds == 800_000)
    }

    @Test("a load without meaningful figures has failed, and says why")
    func failures() throws {
        #expect(try report(generator: 0.1, server: 0.95).failure == nil)
        func failure(_ change: (inout LoadReport) -> Void) throws -> String {
            var report = try report(generator: 0.1, server: 0.95)
            change(&report)
            return try #require(report.failure).description
        }
        let silent = try failure {
            $0.tally.messages = 0
            $0.tally.unanswered = 3
            $0.tally.longestWait = 2_000_000_000
        }
        #expect(silent.hasPrefix("nothing came back: 3 messages are unanswered, the longest for "))
        #expect(silent.contains("/echo"))
        let early = try failure {
            $0.ending = .interrupted
            $0.seconds = 0
        }
        #expect(early.hasPrefix("interrupted: nothing was measured"))
        #expect(
            try failure {
                $0.ending = .interrupted
                $0.tally.messages = 0
            }.hasPrefix("interrupted"))
        #expect(try failure { $0.seconds = 0 }.hasPrefix("only 0 s were measured"))
        #expect(
            try failure { $0.tally.firstMismatch = "other bytes" }
                .hasPrefix("wrong contents: other bytes"))
        let ended = try failure {
            $0.ending = .failed
            $0.tally.errors = 100
            $0.tally.firstError = "refused"
        }
        #expect(ended.hasPrefix("the run was ended by 100 errors, the first: refused"))
    }

    @Test("a load that lost a connection has figures, and reports the error")
    func lost() throws {
        var lossy = try report(generator: 0.1, server: 0.95)
        lossy.tally.errors = 1
        lossy.tally.firstError = "connection 3: closed by the server"
        lossy.judge()
        #expect(lossy.failure == nil)
        #expect(lossy.warnings == ["1 error: connection 3: closed by the server"])
        var idle = LoadReport(LoadPlan(scenario: .idle, url: try WebSocketURL("ws://h/")))
        idle.seconds = 5
        #expect(idle.failure == nil)
        idle.tally.errors = 1
        #expect(idle.failure != nil)
    }

    @Test("The negotiated extension is read from the response, whatever its case")
    func extensions() {
        let head = "HTTP/1.1 101 X\r\nSEC-WebSocket-Extensions:  permessage-deflate; a=1\r\n\r\n"
        #expect(LoadReport.extensionHeader(head) == "permessage-deflate; a=1")
        #expect(LoadReport.extensionHeader("HTTP/1.1 101 X\r\n\r\n") == nil)
    }

    @Test("The server is found by the port on which it listens, with IPv4 and IPv6")
    func listening() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1
               1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 4712 1
               2: 00000000000000000000000001000000:1F90 0:0000 0A 0:0 00:00000000 0  0 0 4713 1
               3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4714 1
            """
        #expect(ServerProcess.listeningInodes(table, port: 8_080) == ["4711", "4713"])
    }
}
