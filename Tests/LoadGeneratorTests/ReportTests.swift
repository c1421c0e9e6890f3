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
        #expect(silent.text.contains("2 still waited at the end"))
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

    @Test("A load without answers is reported")
    func nothing() throws {
        let silent = try report(generator: 0.1, server: 0.95, messages: 0)
        #expect(silent.warnings.first?.hasPrefix("nothing came back") ?? false)
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
