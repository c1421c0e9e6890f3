import WebSocketServer

/// One case of a comparison: the way of compressing, and the load.
package struct CompareCase: Sendable, Hashable {
    /// The way in which the server's messages are compressed.
    package enum Way: String, Sendable, CaseIterable, Codable {
        case plain
        /// Every message is compressed without reference to others.
        case alone
        /// Every message refers to earlier ones, and is compressed for its connection alone.
        case takeover
        /// Publications refer to earlier ones, and subscribers share their frames.
        case shared

        /// The name in tables and charts.
        package var name: String {
            switch self {
            case .plain: "plain"
            case .alone: "compressed alone"
            case .takeover: "real takeover"
            case .shared: "shared context"
            }
        }

        /// The settings for `--set`. Small messages are compressed too, since the comparison has to
        /// find the size from which on that pays.
        var settings: [String] {
            let all = ["compression.threshold=0"]
            switch self {
            case .plain: return ["compression.enabled=false"]
            case .alone: return all + ["compression.context_takeover=off"]
            case .takeover: return all + ["compression.context_takeover=per_connection"]
            case .shared: return all + ["compression.context_takeover=shared"]
            }
        }

        /// The offer to a server that we can't configure.
        var offer: LoadPlan.Compression {
            switch self {
            case .plain: .off
            case .alone: .on
            case .takeover, .shared: .takeover
            }
        }

        /// Returns the reason why the server's agreement is not this way; `nil` if it is.
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
    /// The subscribers of a fan-out; `nil` for echo.
    package var subscribers: Int?

    package init(_ way: Way, size: Int, subscribers: Int? = nil) {
        self.way = way
        self.size = size
        self.subscribers = subscribers
    }

    /// The load's name in tables.
    package var loadName: String {
        subscribers.map { "fanout to \(Figures.grouped($0))" } ?? "echo"
    }

    package var name: String { "\(loadName), \(way.name), \(Figures.size(size))" }

    /// Enough connections to keep a core busy; large messages need fewer.
    private static let echoConnections = 100
    private static let echoConnectionsOfLarge = 20
    private static let fanoutInFlight = 8

    /// Returns the plan of this case.
    ///
    /// - Parameter server: The address of the server, and its processes.
    func plan(_ server: LoadPlan, _ comparison: ComparePlan) -> LoadPlan {
        var plan = server
        plan.scenario = subscribers == nil ? .echo : .fanout
        let isLarge = size >= 16 << 10
        plan.connections =
            subscribers ?? (isLarge ? Self.echoConnectionsOfLarge : Self.echoConnections)
        plan.inFlight = subscribers == nil ? 1 : Self.fanoutInFlight
        plan.sizes = comparison.file == nil ? SizeMix(size) : nil
        plan.payload = comparison.payload
        // Our own servers get the rest by their configuration.
        let isOwn = comparison.server == nil
        plan.compression = isOwn && way != .plain ? .takeover : way.offer
        plan.demandsCompression = isOwn
        plan.warmup = comparison.warmup
        plan.duration = comparison.duration
        plan.cores = comparison.generatorCores
        // With a core of its own, a spinning generator takes no time from others.
        plan.spins = !comparison.generatorCores.isEmpty
        return plan
    }
}

/// The cases of a comparison, and their duration.
package struct ComparePlan: Sendable {
    package var payload = PayloadKind.json
    /// The sizes of messages in bytes; for ``file``, the average size of a line.
    package var sizes: [Int]
    package var fanoutSizes: [Int]
    package var subscribers: [Int]
    package var warmup: Duration
    package var duration: Duration
    /// The number of runs of each case. The median run counts.
    package var repeats = 3
    /// The cores of the server and of the generator; empty if there are fewer than two.
    package var serverCores: [Int] = []
    package var generatorCores: [Int] = []
    /// A server that runs already, used instead of our own: its address, and its processes if they
    /// are visible. The ways are then different offers of the client; none of them is shared.
    package var server: LoadPlan?
    /// The server's program; it is followed by the additional arguments of `serve`.
    package var executable: String
    package var arguments: [String] = []
    /// The program's version, for the reader.
    package var version = "unknown"
    /// The file whose lines are the messages of every case.
    package private(set) var file: PayloadFile?

    /// Compares with the unchanged lines of a file instead of several sizes.
    package mutating func useLines(of file: PayloadFile) {
        precondition(!file.lines.isEmpty)
        self.file = file
        payload = .file(file)
        sizes = [file.lineSizeAverage]
        fanoutSizes = [file.lineSizeAverage]
    }

    /// Returns the plan of a whole comparison, which takes about four minutes.
    package static func whole(executable: String) -> ComparePlan {
        ComparePlan(
            sizes: [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10],
            fanoutSizes: [128, 1 << 10, 8 << 10], subscribers: [10, 100, 1_000],
            warmup: .milliseconds(250), duration: .milliseconds(700), executable: executable)
    }

    /// Returns the plan of a short comparison, which takes less than a minute.
    package static func quick(executable: String) -> ComparePlan {
        ComparePlan(
            sizes: [64, 1 << 10, 16 << 10], fanoutSizes: [128, 1 << 10], subscribers: [100],
            warmup: .milliseconds(100), duration: .milliseconds(300), executable: executable)
    }

    /// The cases in the order in which they run. The ways of one load are next to each other, so
    /// that they meet the same state of the machine.
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
