import WebSocketServer

/// One case of a comparison: how the server compresses, and under which load.
package struct CompareCase: Sendable, Hashable {
    /// How the server's messages are compressed.
    package enum Way: String, Sendable, CaseIterable, Codable {
        case plain
        /// Every message stands alone.
        case alone
        /// Every message refers to those before it, and is compressed for its connection alone.
        case takeover
        /// Publications refer to those before them, by frames that subscribers share.
        case shared

        /// In tables and charts.
        package var name: String {
            switch self {
            case .plain: "plain"
            case .alone: "compressed alone"
            case .takeover: "real takeover"
            case .shared: "shared context"
            }
        }

        /// For `--set`. Small messages are compressed too, as the question is from which size on
        /// that pays.
        var settings: [String] {
            let all = ["compression.threshold=0"]
            switch self {
            case .plain: return ["compression.enabled=false"]
            case .alone: return all + ["compression.context_takeover=off"]
            case .takeover: return all + ["compression.context_takeover=per_connection"]
            case .shared: return all + ["compression.context_takeover=shared"]
            }
        }

        /// What a server is offered that isn't ours to configure.
        var offer: LoadPlan.Compression {
            switch self {
            case .plain: .off
            case .alone: .on
            case .takeover, .shared: .takeover
            }
        }

        /// Why what a server agreed to is not this way; `nil` where it is.
        func refusal(_ agreement: String?) -> String? {
            guard self != .plain else { return nil }
            guard let agreement else { return "the server agrees to no compression" }
            if self == .takeover, agreement.contains("server_no_context_takeover") {
                return "the server's messages stand alone: it answers \(agreement)"
            }
            return nil
        }
    }

    package var way: Way
    package var size: Int
    /// Of a fan-out; `nil` for echo.
    package var subscribers: Int?

    package init(_ way: Way, size: Int, subscribers: Int? = nil) {
        self.way = way
        self.size = size
        self.subscribers = subscribers
    }

    /// A table's words.
    package var loadName: String {
        subscribers.map { "fanout to \(Figures.grouped($0))" } ?? "echo"
    }

    package var name: String { "\(loadName), \(way.name), \(Figures.size(size))" }

    /// As many connections as keep a core busy; large messages need fewer.
    private static let echoConnections = 100
    private static let echoConnectionsOfLarge = 20
    private static let fanoutInFlight = 8

    /// - Parameter server: how it is reached, and its processes.
    func plan(_ server: LoadPlan, _ comparison: ComparePlan) -> LoadPlan {
        var plan = server
        plan.scenario = subscribers == nil ? .echo : .fanout
        let isLarge = size >= 16 << 10
        plan.connections =
            subscribers ?? (isLarge ? Self.echoConnectionsOfLarge : Self.echoConnections)
        plan.inFlight = subscribers == nil ? 1 : Self.fanoutInFlight
        plan.sizes = comparison.file == nil ? SizeMix(size) : nil
        plan.payload = comparison.payload
        // Our own servers are configured for the rest.
        let isOwn = comparison.server == nil
        plan.compression = isOwn && way != .plain ? .takeover : way.offer
        plan.demandsCompression = isOwn
        plan.warmup = comparison.warmup
        plan.duration = comparison.duration
        plan.cores = comparison.generatorCores
        // On a core of its own the generator keeps no one waiting.
        plan.spins = !comparison.generatorCores.isEmpty
        return plan
    }
}

/// What is compared, and for how long.
package struct ComparePlan: Sendable {
    package var payload = PayloadKind.json
    /// Bytes of messages; of ``file``, of a line on average.
    package var sizes: [Int]
    package var fanoutSizes: [Int]
    package var subscribers: [Int]
    package var warmup: Duration
    package var duration: Duration
    /// Runs of each case, of which the one in the middle counts.
    package var repeats = 3
    /// The server's core and the generator's; empty where there are no two.
    package var serverCores: [Int] = []
    package var generatorCores: [Int] = []
    /// A server that is there already, in the place of ours: how it is reached, and its processes
    /// where they can be seen. What it is offered makes the ways, of which none is shared.
    package var server: LoadPlan?
    /// The server's program, and what its `serve` gets besides.
    package var executable: String
    package var arguments: [String] = []
    /// The program's, for the reader.
    package var version = "unknown"
    /// The file whose lines are the messages of every case.
    package private(set) var file: PayloadFile?

    /// Compares with a file's lines, as they are, in the place of several sizes.
    package mutating func useLines(of file: PayloadFile) {
        precondition(!file.lines.isEmpty)
        self.file = file
        payload = .file(file)
        sizes = [file.lineSizeAverage]
        fanoutSizes = [file.lineSizeAverage]
    }

    /// Some four minutes.
    package static func whole(executable: String) -> ComparePlan {
        ComparePlan(
            sizes: [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10],
            fanoutSizes: [128, 1 << 10, 8 << 10], subscribers: [10, 100, 1_000],
            warmup: .milliseconds(250), duration: .milliseconds(700), executable: executable)
    }

    /// Less than a minute.
    package static func quick(executable: String) -> ComparePlan {
        ComparePlan(
            sizes: [64, 1 << 10, 16 << 10], fanoutSizes: [128, 1 << 10], subscribers: [100],
            warmup: .milliseconds(100), duration: .milliseconds(300), executable: executable)
    }

    /// In the order in which they run: ways next to each other, so that they meet the same machine.
    package var cases: [CompareCase] {
        if server != nil, !subscribers.isEmpty { return fanoutCases.filter { $0.way != .shared } }
        let echo = sizes.flatMap { size in
            [CompareCase.Way.plain, .alone, .takeover].map { CompareCase($0, size: size) }
        }
        return echo + fanoutCases
    }

    private var fanoutCases: [CompareCase] {
        subscribers.flatMap { count in
            fanoutSizes.flatMap { size in
                CompareCase.Way.allCases.map { CompareCase($0, size: size, subscribers: count) }
            }
        }
    }
}
