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

            Compression pays on a link as long as the bytes that it saves would take that link \
            longer to carry than the CPU takes to save them. "below 350 Mbit/s" says where the two \
            are equal; "within noise", that the CPU times differ by less than those of the same case \
            do from run to run. That counts the server's CPU; clients have to inflate besides.

            The messages are JSON events made up by the program. Yours compress better or worse: \
            --payload file:PATH measures them. --set goes to the servers.

            EXAMPLES:
              apus bench compare
              apus bench compare --quick --markdown
              apus bench compare --svg charts --json > compare.json
              apus bench compare --payload file:events.json -s 200,2KiB --subscribers 500
              apus bench compare --set compression.engine=zlib --set compression.level=6
            """)

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
            "What messages hold: json, chat, ticks, logs, binary, or file:PATH.",
            valueName: "kind"))
    var payload = PayloadArgument(kind: .json)

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
            "Write charts to this folder: SVG, and PNG where rsvg-convert is installed.",
            valueName: "folder"),
        completion: .directory)
    var svg: String?

    @Flag(help: "Tell progress on standard error where that is no terminal, too.")
    var progress = false

    func validate() throws {
        if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
    }

    func run() async throws {
        let line = ProgressLine(always: progress)
        let plan = self.plan
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
        if let svg { try writeCharts(result.charts, to: svg) }
        let hasFaults = result.runs.contains { $0.reports.contains { $0.tally.errors > 0 } }
        if hasFaults || !result.failures.isEmpty || result.runs.isEmpty { throw ExitCode(1) }
    }

    private var plan: ComparePlan {
        // Always this very program, wherever it was started from.
        let program = "/proc/self/exe"
        let executable =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: program)) ?? program
        var plan =
            quick
            ? ComparePlan.quick(executable: executable) : .whole(executable: executable)
        if let size {
            plan.sizes = size
            plan.fanoutSizes = size
        }
        if let subscribers { plan.subscribers = subscribers.filter { $0 > 0 } }
        if let duration {
            plan.duration = duration
            plan.warmup = min(plan.warmup, duration)
        }
        if let repeats { plan.repeats = repeats }
        plan.payload = payload.kind
        plan.arguments = assignments.flatMap { ["--set", $0] }
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

/// Writes each chart as SVG, and as PNG where there is a converter.
private func writeCharts(_ charts: [(name: String, chart: LineChart)], to folder: String) throws {
    let folder = URL(fileURLWithPath: folder, isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, chart) in charts {
        let file = folder.appendingPathComponent("\(name).svg")
        try Data(chart.svg.utf8).write(to: file)
        convert(file, to: folder.appendingPathComponent("\(name).png"))
    }
    FileHandle.standardError.write(Data("\(charts.count) charts in \(folder.path)\n".utf8))
}

private func convert(_ chart: URL, to image: URL) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let program = folders.map { "\($0)/rsvg-convert" }
        .first(where: FileManager.default.isExecutableFile)
    guard let program else { return }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["--zoom", "2", "--output", image.path, chart.path]
    if (try? process.run()) != nil { process.waitUntilExit() }
}

extension ProgressLine {
    func show(_ progress: Comparison.Progress) {
        var text = "\(progress.number) of \(progress.total): \(progress.one.name)"
        if let load = progress.load, load.rate > 0 { text += ", \(Figures.number(load.rate))/s" }
        show(text)
    }
}
