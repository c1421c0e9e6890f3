import Foundation
import Testing
import WebSocketServer

@testable import LoadGenerator

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite("The comparison")
struct CompareTests {
    @Test("The break-even is where the saved wire time equals the added CPU time")
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

    @Test("A difference within the spread is noise, and pays only where that is certain")
    func noise() {
        // 4,000 bits, for 1 µs more or less, and 4 µs between the runs: at most 5 µs.
        let more = BreakEven(plain: (1_000, 10), compressed: (500, 11), noise: 4)
        #expect(more == .withinNoise(surelyBelow: 800))
        #expect(more.pays(at: 799) && !more.pays(at: 800))
        #expect(more.text == "within noise, surely below 800 Mbit/s")
        let less = BreakEven(plain: (1_000, 10), compressed: (500, 7), noise: 4)
        #expect(less == .withinNoise(surelyBelow: 4_000))
        #expect(BreakEven(plain: (1_000, 10), compressed: (500, 6), noise: 4) == .always)
        #expect(BreakEven(plain: (1_000, 10), compressed: (500, 20), noise: 4) == .below(400))
        // No noise in bytes.
        #expect(BreakEven(plain: (500, 10), compressed: (500, 10), noise: 4) == .never)
    }

    @Test("Of several runs the median counts, and their spread is the noise")
    func repeats() throws {
        let one = try result()
        var plan = one.plan
        plan.repeats = 3
        var three = CompareResult(plan)
        for factor in [3.0, 1, 2] {
            for (one, report) in one.measured {
                var report = report
                report.server!.cpuSeconds *= factor
                three.add(one, report)
            }
        }
        #expect(three.warnings.isEmpty)
        let small = CompareCase(.alone, size: 64)
        let cpu = try #require(one.report(small)?.cpuPerMessage)
        #expect(abs(try #require(three.report(small)?.cpuPerMessage) - 2 * cpu) < 1e-9)
        #expect(abs(try #require(three.spread(small)) - 2 * cpu) < 1e-9)
        #expect(try #require(three.breakEven(small)).kind == "within noise")
        let measured = try #require(
            three.summary.measured.first { $0.way == "alone" && $0.size == 64 })
        #expect(measured.pays == "within noise" && measured.breakEvenMegabitsPerSecond == nil)
        #expect(measured.cpuMicrosecondsPerMessageOfRuns.count == 3)
        #expect(three.text.contains("within noise, surely below"))
        #expect(CompareResult(plan).warnings.contains("the comparison ended early"))
    }

    @Test("a comparison without a single result has failed, and says why")
    func nothingMeasured() throws {
        let one = try result()
        #expect(one.failure == nil)
        var failed = CompareResult(one.plan)
        failed.wasInterrupted = true
        #expect(try #require(failed.failure).problem == "interrupted: nothing was measured")
        let failure = LoadFailure("refused", advice: "Start it.")
        failed.failures = [(CompareCase(.plain, size: 64), failure)]
        #expect(failed.failure == LoadFailure("echo, plain, 64 B: refused", advice: "Start it."))
    }

    @Test("The smallest size that pays is the one from which all larger ones do")
    func smallestSize() {
        let measured: [(size: Int, breakEven: BreakEven)] = [
            (64, .always), (256, .never), (4_096, .below(2_000)), (1_024, .below(500)),
        ]
        #expect(BreakEven.smallestSize(paying: 100, measured) == 1_024)
        #expect(BreakEven.smallestSize(paying: 1_000, measured) == 4_096)
        #expect(BreakEven.smallestSize(paying: 10_000, measured) == nil)
        #expect(BreakEven.smallestSize(paying: 100, []) == nil)
    }

    private func server(_ url: String) throws -> LoadPlan {
        LoadPlan(scenario: .echo, url: try WebSocketURL(url))
    }

    /// A comparison with invented values.
    private func result() throws -> CompareResult {
        var plan = ComparePlan.quick(executable: "apus")
        plan.subscribers = [10, 100]
        plan.serverCores = [0]
        plan.repeats = 1
        var result = CompareResult(plan)
        let server = try server("ws://127.0.0.1:1/echo?token=secret")
        for one in plan.cases {
            var report = LoadReport(one.plan(server, plan))
            let isPlain = one.way == .plain
            report.tally.messages = 1_000
            report.tally.messagesOut = 1_000
            report.tally.payloadIn = one.size * 1_000
            report.tally.wireIn = (isPlain ? one.size : one.size / 2) * 1_000
            report.tally.wireOut = report.tally.wireIn
            report.tally.record(1_000_000, 1_000)
            report.seconds = 2
            // One microsecond for each message, and another one for each 100 bytes that are
            // compressed.
            let cpu = 0.001 + (isPlain ? 0 : 0.001 * Double(one.size) / 100)
            report.server = ServerUse(
                cpuSeconds: cpu, userSeconds: cpu / 2, busy: cpu, busiestThread: 0.95)
            result.add(one, report)
        }
        return result
    }

    @Test("The result names the sizes from which compression pays")
    func answers() throws {
        let result = try result()
        // Half of a message each way: 8 bits for each byte, for 10 ns for each byte: 800 Mbit/s.
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

    @Test("Cases whose rates aren't limited by the server are named, in text and Markdown")
    func limited() throws {
        let one = try result()
        var result = CompareResult(one.plan)
        for (one, report) in one.measured {
            var report = report
            if one.way == .plain, one.subscribers == nil, one.size < 16_384 {
                report.generatorBusy = [0.97]
                report.server!.busiestThread = 0.5
            }
            if one == CompareCase(.shared, size: 128, subscribers: 10) {
                report.server!.busiestThread = 0.71
            }
            result.add(one, report)
        }
        let warnings = result.warnings
        try #require(warnings.count == 2)
        #expect(warnings[0].hasPrefix("in 2 of 25 cases the generator was the bottleneck"))
        #expect(warnings[0].hasSuffix(" echo, plain: 64 B, 1 KiB"))
        #expect(warnings[1].hasPrefix("in 1 of 25 cases the server's busiest thread was not"))
        #expect(warnings[1].hasSuffix(" fanout to 10, shared context: 128 B at 71 %"))
        for warning in warnings {
            #expect(result.text.contains("! \(warning)\n"))
            #expect(result.markdown.contains("**Note:** \(warning)\n"))
        }
    }

    @Test("If the server was idle in many cases, a range replaces the list")
    func mostlyIdle() throws {
        let one = try result()
        var result = CompareResult(one.plan)
        for (index, (one, report)) in one.measured.enumerated() {
            var report = report
            report.server!.busiestThread = index == 0 ? 0.02 : 0.2
            result.add(one, report)
        }
        let warning = try #require(result.warnings.first)
        #expect(result.warnings.count == 1)
        #expect(warning.hasPrefix("in all 25 cases the server's busiest thread was not"))
        #expect(warning.hasSuffix(" CPU per message still holds. It was 2.0 % to 20 % busy."))
    }

    @Test("The first line is the machine and the versions; notes name the link and the direction")
    func heading() throws {
        let one = try result()
        var plan = one.plan
        plan.version = "1.2.3"
        let result = CompareResult(plan)
        for text in [result.text, result.markdown] {
            let first = try #require(text.split(separator: "\n").first)
            #expect(first.contains("; apus 1.2.3") && first.contains(", Linux "))
            for note in [CompareResult.linkNote, CompareResult.takeoverNote] {
                #expect(text.contains(note + "\n"))
            }
        }
        #expect(result.summary.version == "1.2.3")
        #expect(result.summary.explanation.contains(CompareResult.linkNote))
    }

    @Test("The libraries that compress are found among the mapped files")
    func libraries() {
        let maps = """
            7f00-7f01 r--p 00000000 fe:00 1          /usr/lib/x86_64-linux-gnu/libz.so.1.2.13
            7f01-7f02 r-xp 00000000 fe:00 1          /usr/lib/x86_64-linux-gnu/libz.so.1.2.13
            7f02-7f03 r--p 00000000 fe:00 2          /usr/lib/libisal.so.2.0.30
            7f03-7f04 r--p 00000000 fe:00 3          /usr/lib/libzstd.so.1
            7ffe-7fff rw-p 00000000 00:00 0          [stack]
            """
        let found = CompareSummary.Machine.compressors(maps)
        #expect(found == ["libisal.so.2.0.30", "libz.so.1.2.13"])
    }

    @Test("The lines of a file are one size: their average")
    func lines() throws {
        let file = PayloadFile(Array("first\nsecond\n".utf8))
        var plan = ComparePlan.quick(executable: "apus")
        plan.useLines(of: file)
        #expect(plan.sizes == [6] && plan.fanoutSizes == [6])
        let load = plan.cases[0].plan(try server("ws://127.0.0.1:1/echo"), plan)
        #expect(load.sizes == nil && load.payload == .file(file))
        let result = CompareResult(plan)
        #expect(result.text.contains("Messages are the 2 lines of a file, whole"))
        #expect(result.warnings.contains { $0.hasPrefix("the file is smaller than a window") })
    }

    @Test("A third-party server is compared by the offered extensions")
    func anotherServer() throws {
        var plan = ComparePlan.quick(executable: "apus")
        plan.server = try server("ws://192.0.2.1/chat")
        plan.subscribers = []
        #expect(plan.cases.allSatisfy { $0.subscribers == nil && $0.way != .shared })
        let offers = plan.cases.prefix(3).map { $0.plan(plan.server!, plan).compression }
        #expect(offers == [.off, .on, .takeover])
        plan.subscribers = [7]
        #expect(plan.cases.allSatisfy { $0.subscribers == 7 && $0.way != .shared })
        #expect(plan.cases.count == 3 * plan.fanoutSizes.count)
    }

    @Test("A case without a negotiated extension has no value")
    func refusals() throws {
        let all = "permessage-deflate"
        let alone = "permessage-deflate; server_no_context_takeover"
        #expect(CompareCase.Way.plain.refusal(nil) == nil)
        #expect(CompareCase.Way.alone.refusal(nil) == "the server agrees to no compression")
        #expect(CompareCase.Way.alone.refusal(alone) == nil)
        #expect(CompareCase.Way.takeover.refusal(all) == nil)
        #expect(CompareCase.Way.takeover.refusal(alone)?.contains("stand alone") == true)
        var plan = ComparePlan.quick(executable: "apus")
        plan.server = try server("ws://192.0.2.1/chat")
        var result = CompareResult(plan)
        result.refusals[.takeover] = "no"
        #expect(result.warnings.contains("real takeover is not measured: no"))
        #expect(result.warnings.contains { $0.contains("--pid names it") })
        #expect(!result.warnings.contains { $0.contains("one core only") })
        #expect(result.text.hasPrefix("ws://192.0.2.1/chat\n"))
        #expect(result.summary.url == "ws://192.0.2.1/chat")
    }

    @Test("Reports don't contain the secrets of a URL")
    func secrets() throws {
        let result = try result()
        let report = try #require(result.measured.first?.report)
        let json = String(decoding: try JSONEncoder().encode(result.summary), as: UTF8.self)
        for text in [json, result.text, result.markdown, report.text, report.markdown] {
            #expect(!text.contains("secret"))
        }
    }

    @Test("Charts are valid SVG, whatever their names contain")
    func charts() throws {
        let charts = try result().charts
        #expect(charts.count == 7)
        let odd = LineChart(
            title: "<&\">", subtitle: "a & b",
            series: [.init(name: "x < y", points: [.init(1, 0), .init(2, 5)], hue: 9)],
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

    @Test("A value that no line can show is marked at the edge, even if there is nothing else")
    func edges() {
        func chart(_ points: [LineChart.Point]) -> String {
            LineChart(
                title: "", subtitle: "", series: [.init(name: "", points: points, hue: 0)],
                isLogarithmic: true, xText: { "\($0)" }, yText: { "\($0)" }
            ).svg
        }
        let mixed = chart([.init(1, 0, .bottom), .init(2, 5), .init(4, 0, .top)])
        #expect(mixed.components(separatedBy: "<polygon").count == 3)
        #expect(mixed.components(separatedBy: "<circle").count == 2)
        // At the lower left, and at the upper right.
        #expect(mixed.contains("<polyline points=\"84.0,376.0 "))
        #expect(mixed.contains(" 590.0,74.0\" fill"))
        let edges = chart([.init(1, 0, .top), .init(2, 0, .top)])
        #expect(edges.components(separatedBy: "<polygon").count == 3)
        #expect(chart([.init(1, 7, .atLeast)]).contains("fill=\"none\" stroke=\"#3b82f6\""))
    }

    @Test("Break-even charts have a mark for each size")
    func breakEvenMarks() throws {
        let one = try result()
        var result = CompareResult(one.plan)
        for (one, report) in one.measured {
            var report = report
            // For 64 bytes, compression costs nothing; for 1 KiB, it saves nothing.
            if one.size == 64 { report.server!.cpuSeconds = 0.001 }
            if one.size == 1_024, one.way != .plain { report.tally.wireIn = 1 << 30 }
            result.add(one, report)
        }
        let chart = try #require(result.charts.first { $0.name == "echo-break-even" }).chart
        let marks = chart.series.map { $0.points.map(\.mark) }
        #expect(marks == [[.top, .bottom, .dot], [.top, .bottom, .dot]])
    }

    @Test("An axis has round ticks up to its end", arguments: [0.003, 0.9, 1, 7, 1_234])
    func ticks(_ most: Double) throws {
        let ticks = LineChart.linearTicks(most)
        #expect(4...9 ~= ticks.count)
        #expect(ticks.first == 0)
        #expect(try #require(ticks.last) >= most * 0.999_9)
    }

    @Test("Tables are aligned, and are Markdown")
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
        "Numbers have three significant digits",
        arguments: [
            (0.0, "0"), (0.012_34, "0.012"), (0.999, "1.00"), (9.999, "10.0"), (12.34, "12.3"),
            (99.97, "100"), (1_234.4, "1,234"), (1_234_567, "1,234,567"),
        ])
    func numbers(value: Double, text: String) {
        #expect(Figures.number(value) == text)
    }
}
