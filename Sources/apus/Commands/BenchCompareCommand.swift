import ArgumentParser
import Foundation
import LoadGenerator
import UVTransport
import WebSocketServer

/// `apus bench compare`: measures whether compression pays, from which size, and on which links.
struct BenchCompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare plain and compressed messages, and say when compression pays.",
        discussion: """
            Starts servers of its own on free ports of the loopback interface, one for each case, \
            and compares echo and fan-out for several sizes and numbers of subscribers:

              plain              no compression
              compressed alone   each message is compressed on its own
              real takeover      messages refer to earlier ones of the same connection
              shared context     subscribers with the same past share one compressed frame

            If the machine has two cores, the server has one and the generator has the other.

            With a URL, it compares what the server at that URL does: echo on that path, or fan-out \
            if --subscribers is given; plain, and with the compression that the server accepts when \
            it is offered alone or with takeover. If the server's process isn't on this machine, \
            the results are bytes, rates and latencies.

            \(CompareResult.takeoverNote)

            \(CompareResult.payNote) "below 350 Mbit/s" names the speed at which the two are \
            equal. \(CompareResult.linkNote) Only the server's CPU time counts; clients also spend \
            time on decompression.

            The messages are JSON events that the program makes up. Yours compress better or worse: \
            measure them with --payload file:PATH. Each line of a text file is a message; with \
            --size, slices of these sizes are. Use a file that is larger than 32 KiB, or takeover \
            finds everything again. --set configures the servers.

            EXAMPLES:
              apus bench compare
              apus bench compare --quick --markdown
              apus bench compare --svg charts --json > compare.json
              apus bench compare --payload file:events.jsonl --subscribers 500
              apus bench compare --payload file:events.jsonl -s 200,2KiB
              apus bench compare --set compression.engine=zlib --set compression.level=6
              apus bench compare wss://staging.example/echo -s 100,1KiB
              apus bench compare ws://127.0.0.1:9000/broadcast --subscribers 100
            """)

    @Argument(help: "A running server: ws://host:port/path, wss://…, or ws+unix:/run/a.sock:/.")
    var url: String?

    @OptionGroup var server: ServerOptions

    @Flag(help: "Run fewer and shorter cases, in less than a minute.")
    var quick = false

    @Option(
        name: [.short, .long, .customLong("sizes")],
        help: ArgumentHelp("Sizes of messages, with commas: 64,1KiB.", valueName: "bytes"),
        transform: sizes)
    var size: [Int]?

    @Option(
        help: ArgumentHelp(
            "Numbers of subscribers, with commas: 10,1000. 0: no fan-out.", valueName: "n"),
        transform: { try list($0, WholeNumber(0...100_000)) })
    var subscribers: [Int]?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("How long to measure in each run.", valueName: "time"),
        transform: { try argument($0, TimeSpan(.milliseconds(100) ... .seconds(600))) })
    var duration: Duration?

    @Option(
        help: ArgumentHelp(
            "How often to run each case, in turn with the others. The median run counts.",
            valueName: "n"),
        transform: { try argument($0, WholeNumber(1...99)) })
    var repeats: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The contents of messages: json, chat, ticks, logs, binary, or file:PATH (default: json).",
            valueName: "kind"),
        transform: { try argument($0, Payload()) })
    var payload = PayloadKind.json

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Set a key of the servers' configuration; may be repeated.", valueName: "key=value"))
    var assignments: [String] = []

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print Markdown.")
    var markdown = false

    @Option(
        help: ArgumentHelp(
            """
            Write charts to this folder, which is created if needed: as SVG, and as PNG if \
            rsvg-convert is installed.
            """, valueName: "folder"),
        completion: .directory)
    var svg: String?

    @Flag(help: "Report progress on standard error even if that is not a terminal.")
    var progress = false

    func validate() throws {
        if json && markdown {
            throw ValidationError("--json and --markdown can't be used together.")
        }
        if let url {
            guard url.contains(":") else {
                throw ValidationError(
                    """
                    '\(url)' is not a URL. If it belongs to an option, check the option's name. \
                    Separate several values with commas and without spaces: --size 64,1KiB
                    """)
            }
            _ = try server.plan(.echo, url)
            if !assignments.isEmpty {
                throw ValidationError(
                    "--set configures the servers that are started without a URL, not a running one."
                )
            }
        } else if server.isGiven {
            throw ValidationError(
                "--subprotocol, --header, --insecure and --pid need the URL of a running server.")
        }
    }

    func run() async throws {
        let folder = try svg.map(chartFolder)
        let line = ProgressLine(always: progress)
        let plan = try makePlan()
        #if DEBUG
            if url == nil {
                writeToStandardError(
                    "apus bench compare: this is a debug build, which is slower in all cases and "
                        + "some more than others: measure with a release build\n")
            }
        #endif
        let result = try await interruptible {
            try await Comparison(plan) { line.show($0) }.run()
        }
        line.clear()
        if let failure = result.failure {
            throw try fail(
                failure, command: "bench compare", json: json, scenario: "compare",
                url: plan.server?.shownURL)
        }
        let text =
            json ? try apus.json(result.summary) + "\n" : markdown ? result.markdown : result.text
        print(text, terminator: "")
        if let (one, failure) = result.failures.first {
            let count = result.failures.count
            let first = count == 1 ? "a run failed" : "\(count) runs failed, the first"
            writeToStandardError("apus bench compare: \(first): \(one.name): \(failure.problem)\n")
        }
        let areWritten = folder.map { write(result.charts, to: $0) } ?? true
        let hasErrors = result.runs.contains { $0.reports.contains { $0.tally.errors > 0 } }
        if hasErrors || !result.failures.isEmpty || !areWritten { throw ExitCode(1) }
    }

    /// Creates the folder before the run, which takes minutes.
    private func chartFolder(_ path: String) throws -> ChartFolder {
        do {
            return try ChartFolder(path)
        } catch {
            throw complaint("--svg: \(path) can't be written to: \(reason(for: error))")
        }
    }

    /// Writes the charts, and reports their location. Returns false if a chart is missing.
    private func write(
        _ charts: [(name: String, chart: LineChart)], to folder: ChartFolder
    ) -> Bool {
        do {
            let faults = try folder.write(charts)
            for fault in faults { _ = complaint(fault) }
            FileHandle.standardError.write(Data("\(charts.count) charts in \(folder.path)\n".utf8))
            return faults.isEmpty
        } catch {
            _ = complaint("\(folder.path) can't be written to: \(reason(for: error))")
            return false
        }
    }

    private func makePlan() throws -> ComparePlan {
        // This same program, wherever it was started from.
        let program = "/proc/self/exe"
        let executable =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: program)) ?? program
        var plan =
            quick
            ? ComparePlan.quick(executable: executable) : .whole(executable: executable)
        plan.version = Version.short
        plan.payload = payload
        if let size {
            plan.sizes = size
            plan.fanoutSizes = size
        } else if case .file(let file) = payload, payload.hasLines {
            plan.useLines(of: file)
        }
        if let subscribers { plan.subscribers = subscribers.filter { $0 > 0 } }
        if let duration {
            plan.duration = duration
            plan.warmup = min(plan.warmup, duration)
        }
        if let repeats { plan.repeats = repeats }
        plan.arguments = assignments.flatMap { ["--set", $0] }
        if let url {
            plan.server = try server.plan(.echo, url)
            if subscribers == nil { plan.subscribers = [] }
            return plan
        }
        let cores = CoreAffinity.current.cores
        if cores.count >= 2 {
            plan.serverCores = [cores[0]]
            plan.generatorCores = [cores[1]]
        }
        return plan
    }
}

/// Parses a comma-separated list of sizes.
@Sendable func sizes(_ text: String) throws -> [Int] {
    try list(text, Size(.bytes(0) ... .mebibytes(64))).map(\.bytes)
}

/// Parses a comma-separated list of values of one kind.
func list<K: Kind>(_ text: String, _ kind: K) throws -> [K.Value] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map {
        try argument(String($0), kind)
    }
}

extension ProgressLine {
    func show(_ progress: Comparison.Progress) {
        var text = "\(progress.number) of \(progress.total): \(progress.one.name)"
        if let load = progress.load, load.rate > 0 { text += ", \(Figures.number(load.rate))/s" }
        show(text)
    }
}
