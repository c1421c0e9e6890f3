import ArgumentParser
import Foundation
import LoadGenerator
import UVTransport
import WebSocketServer

/// `apus bench compare`: is compression worth it, from which size, on which links?
struct BenchCompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare plain and compressed messages, and say when compression pays.",
        discussion: """
            Starts servers of its own, this program's, on free ports of the loopback, one for each \
            case, and compares echo and fan-out over sizes and numbers of subscribers:

              plain              no compression
              compressed alone   every message stands alone
              real takeover      each refers to those before it, for its connection alone
              shared context     subscribers with the same past share one compressed frame

            The server has one core and the generator another, where there are two.

            With a URL it compares what that server does instead: echo at that path, or with \
            --subscribers fan-out, plain and with what it agrees to when compression alone or \
            takeover is offered. Where its process can't be seen, bytes, rates and latencies are \
            what there is.

            \(CompareResult.takeoverNote)

            \(CompareResult.payNote) "below 350 Mbit/s" says where the two are equal. \
            \(CompareResult.linkNote) That counts the server's CPU; clients have to inflate besides.

            The messages are JSON events made up by the program. Yours compress better or worse: \
            --payload file:PATH measures them, each line of a text file a message; with --size, \
            slices of those sizes. Let the file be larger than 32 KiB, or takeover finds all of it \
            again. --set goes to the servers.

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

    @Argument(help: "A server that runs: ws://host:port/path, wss://…, or ws+unix:/run/a.sock:/.")
    var url: String?

    @OptionGroup var server: ServerOptions

    @Flag(help: "Fewer cases, shorter: less than a minute.")
    var quick = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Sizes, with commas: 64,1KiB.", valueName: "bytes"),
        transform: sizes)
    var size: [Int]?

    @Option(
        help: ArgumentHelp("Numbers of subscribers, with commas; 0: no fan-out.", valueName: "n"),
        transform: { try list($0, WholeNumber(0...100_000)) })
    var subscribers: [Int]?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Time measured in each run.", valueName: "time"),
        transform: { try argument($0, TimeSpan(.milliseconds(100) ... .seconds(600))) })
    var duration: Duration?

    @Option(
        help: ArgumentHelp(
            "Runs of each case, in turn with the others'; the one in the middle counts.",
            valueName: "n"),
        transform: { try argument($0, WholeNumber(1...99)) })
    var repeats: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "What messages hold: json, chat, ticks, logs, binary, or file:PATH (default: json).",
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
            Write charts to this folder, made where it isn't there yet: SVG, and PNG where \
            rsvg-convert is installed.
            """, valueName: "folder"),
        completion: .directory)
    var svg: String?

    @Flag(help: "Tell progress on standard error where that is no terminal, too.")
    var progress = false

    func validate() throws {
        if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
        if let url {
            _ = try server.plan(.echo, url)
            if !assignments.isEmpty {
                throw ValidationError("--set is for servers that are started, not for \(url)")
            }
        } else if server.isGiven {
            throw ValidationError(
                "--subprotocol, --header, --insecure and --pid are for a server with a URL")
        }
    }

    func run() async throws {
        let folder = try svg.map(chartFolder)
        let line = ProgressLine(always: progress)
        let plan = try makePlan()
        let result: CompareResult
        do {
            result = try await interruptible {
                try await Comparison(plan) { line.show($0) }.run()
            }
        } catch {
            line.clear()
            FileHandle.standardError.write(Data("apus bench compare: \(error)\n".utf8))
            throw ExitCode(1)
        }
        line.clear()
        let text =
            json ? try apus.json(result.summary) + "\n" : markdown ? result.markdown : result.text
        print(text, terminator: "")
        let areWritten = folder.map { write(result.charts, to: $0) } ?? true
        let hasFaults = result.runs.contains { $0.reports.contains { $0.tally.errors > 0 } }
        if hasFaults || !result.failures.isEmpty || result.runs.isEmpty || !areWritten {
            throw ExitCode(1)
        }
    }

    /// Before the run, which takes minutes.
    private func chartFolder(_ path: String) throws -> ChartFolder {
        do {
            return try ChartFolder(path)
        } catch {
            throw complaint("--svg: \(path) can't be written to: \(reason(for: error))")
        }
    }

    /// Says what became of the charts; false where one of them is missing.
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
        // Always this very program, wherever it was started from.
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

/// Sizes with commas between.
@Sendable func sizes(_ text: String) throws -> [Int] {
    try list(text, Size(.bytes(0) ... .mebibytes(64))).map(\.bytes)
}

/// Values of one kind with commas between.
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
