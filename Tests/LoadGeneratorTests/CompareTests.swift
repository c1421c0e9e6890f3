import Foundation
import Testing
import WebSocketServer

@testable import LoadGenerator

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite("The comparison")
struct CompareTests {
    @Test("break-even is where wire time saved is CPU time added")
    func breakEven() {
        // 500 bytes are 4,000 bits; at 400 Mbit/s they take 10 µs.
        let found = BreakEven(plain: (1_000, 5), compressed: (500, 15))
        #expect(found == .below(400))
        #expect(found.pays(at: 399))
        #expect(!found.pays(at: 400))
        #expect(BreakEven(plain: (1_000, 5), compressed: (500, 5)) == .always)
        #expect(BreakEven(plain: (1_000, 5), compressed: (1_000, 4)) == .never)
        #expect(BreakEven.always.pays(at: 1e9))
        #expect(!BreakEven.never.pays(at: 1e-9))
    }

    @Test("the smallest size that pays is one from which on all do")
    func smallestSize() {
        let measured: [(size: Int, breakEven: BreakEven)] = [
            (64, .always), (256, .never), (4_096, .below(2_000)), (1_024, .below(500)),
        ]
        #expect(BreakEven.smallestSize(paying: 100, measured) == 1_024)
        #expect(BreakEven.smallestSize(paying: 1_000, measured) == 4_096)
        #expect(BreakEven.smallestSize(paying: 10_000, measured) == nil)
        #expect(BreakEven.smallestSize(paying: 100, []) == nil)
    }

    /// A comparison with made-up figures.
    private func result() throws -> CompareResult {
        var plan = ComparePlan.quick(executable: "apus")
        plan.subscribers = [10, 100]
        plan.serverCores = [0]
        var result = CompareResult(plan)
        let url = try WebSocketURL("ws://127.0.0.1:1/echo?token=secret")
        for one in plan.cases {
            var report = LoadReport(one.plan(url, plan, process: 1))
            let isPlain = one.way == .plain
            report.tally.messages = 1_000
            report.tally.messagesOut = 1_000
            report.tally.payloadIn = one.size * 1_000
            report.tally.wireIn = (isPlain ? one.size : one.size / 2) * 1_000
            report.tally.wireOut = report.tally.wireIn
            report.tally.record(1_000_000, 1_000)
            report.seconds = 2
            // A microsecond a message, and another one for each 100 bytes that are compressed.
            let cpu = 0.001 + (isPlain ? 0 : 0.001 * Double(one.size) / 100)
            report.server = ServerUse(
                cpuSeconds: cpu, userSeconds: cpu / 2, busy: cpu, busiestThread: 0.95)
            result.measured.append((one, report))
        }
        return result
    }

    @Test("answers name the sizes from which on compression pays")
    func answers() throws {
        let result = try result()
        // Half of a message each way: 8 bits a byte, for 10 ns a byte: 800 Mbit/s.
        let echo = try #require(result.answers.first)
        #expect(echo.smallestSizes == [64, 64, nil, nil])
        let fanout = result.breakEven(CompareCase(.shared, size: 1_024, subscribers: 10))
        #expect(abs(try #require(fanout?.megabits) - 400) < 1e-6)
        #expect(result.breakEven(CompareCase(.plain, size: 64)) == nil)
        let row = try #require(result.answerTable.rows.first)
        #expect(row == ["echo", "compressed alone", "64 B", "64 B", "never", "never"])
        #expect(result.text.contains(result.answerTable.text))
        #expect(result.warnings.isEmpty)
    }

    @Test("reports keep secrets of the URL out of them")
    func secrets() throws {
        let result = try result()
        let report = try #require(result.measured.first?.report)
        let json = String(decoding: try JSONEncoder().encode(result.summary), as: UTF8.self)
        for text in [json, result.text, result.markdown, report.text, report.markdown] {
            #expect(!text.contains("secret"))
        }
    }

    @Test("charts are well-formed SVG, whatever their names hold")
    func charts() throws {
        let charts = try result().charts
        #expect(charts.count == 7)
        let odd = LineChart(
            title: "<&\">", subtitle: "a & b",
            series: [.init(name: "x < y", points: [(1, 0), (2, 5)], hue: 9)],
            isLogarithmic: true, xText: { "\($0)" }, yText: { "\($0)" })
        let empty = LineChart(
            title: "none", subtitle: "", series: [], isLogarithmic: false, xText: { "\($0)" },
            yText: { "\($0)" })
        for chart in charts.map(\.chart) + [odd, empty] {
            let parser = XMLParser(data: Data(chart.svg.utf8))
            #expect(parser.parse(), "\(chart.title): \(String(describing: parser.parserError))")
            #expect(!chart.svg.contains("nan") && !chart.svg.contains("inf"))
        }
        #expect(charts[0].chart.svg.components(separatedBy: "<polyline").count == 4)
    }

    @Test("an axis has round ticks that reach its end", arguments: [0.003, 0.9, 1, 7, 1_234])
    func ticks(_ most: Double) throws {
        let ticks = LineChart.linearTicks(most)
        #expect(4...9 ~= ticks.count)
        #expect(ticks.first == 0)
        #expect(try #require(ticks.last) >= most * 0.999_9)
    }

    @Test("tables line up, and are Markdown")
    func tables() {
        var table = TextTable(["name", "n"])
        table.add(["a|b", "1"])
        table.add(["long name", "1,000"])
        #expect(table.text == "name           n\na|b            1\nlong name  1,000\n")
        #expect(
            table.markdown == "| name | n |\n| --- | ---: |\n| a\\|b | 1 |\n| long name | 1,000 |\n"
        )
    }

    @Test(
        "numbers have three digits that count",
        arguments: [
            (0.0, "0"), (0.012_34, "0.012"), (0.999, "1.00"), (9.999, "10.0"), (12.34, "12.3"),
            (99.97, "100"), (1_234.4, "1,234"), (1_234_567, "1,234,567"),
        ])
    func numbers(value: Double, text: String) {
        #expect(Figures.number(value) == text)
    }
}
