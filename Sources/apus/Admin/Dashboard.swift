import Foundation
import HTTPProtocol
import Synchronization
import WebSocketServer

/// The dashboard: samples the public server every second, keeps the samples of the last minutes,
/// and publishes each to the pages that watch.
final class Dashboard: Sendable {
    static let topic = "live"
    /// The number of samples that are kept: those of five minutes.
    static let samplesMax = 300
    /// The most topics that are ranked. To list more would keep the event loops busy.
    private static let topicsMax = 20_000

    private let state = Mutex(DashboardState())

    // MARK: - Sampling

    /// Samples a server until the task is cancelled.
    ///
    /// - Parameter admin: The server of the admin listener, to whose topic the samples are
    ///   published.
    func run(on admin: Server, observing server: Server) async {
        var before = await read(server)
        var next = before.instant
        while !Task.isCancelled {
            next = max(next.advanced(by: .seconds(1)), .now)
            try? await Task.sleep(until: next, clock: .continuous)
            let now = await read(server)
            let sample = now.sample(since: before)
            before = now
            let isWatched = state.withLock { state in
                state.add(sample)
                return state.watchers > 0
            }
            guard isWatched else { continue }
            if now.statistics.topics <= Self.topicsMax { rankTopics(of: server) }
            let message = LiveSample(
                sample: sample, draining: now.statistics.isDraining,
                overloaded: server.isOverloaded,
                limits: now.statistics.counters.limitsMet,
                topics: state.withLock { $0.topics })
            let text = String(decoding: AdminJSON.encode(message), as: UTF8.self)
            try? await admin.publish(Publication(text, to: Self.topic))
        }
    }

    private func read(_ server: Server) async -> DashboardReading {
        let statistics = await server.statistics()
        return DashboardReading(
            statistics: statistics, instant: .now,
            time: Int64(Date().timeIntervalSince1970 * 1_000))
    }

    /// Ranks the topics, unless that is still being done: an event loop that is busy may take long
    /// to answer.
    private func rankTopics(of server: Server) {
        let begins = state.withLock { state in
            defer { state.isRanking = true }
            return !state.isRanking
        }
        guard begins else { return }
        Task {
            let topics = AdminTopics(await server.topics(), limit: 20)
            state.withLock { state in
                state.topics = topics
                state.isRanking = false
            }
        }
    }

    // MARK: - Pages

    /// Adds the page, and the WebSocket that feeds it.
    ///
    /// - Parameter token: The token that the page must send; `nil` if none is needed.
    func add(to router: inout Router, token: String?) {
        router.get("/") { _ in DashboardPage.response }
        router.upgrade("/admin/live") { [self] _ in
            .accept(LiveViewer(self, token: token), awaitsAuthentication: token != nil)
        }
    }

    /// The message with the samples so far.
    var history: String {
        let history = LiveHistory(
            version: Version.number, samples: state.withLock { $0.samples })
        return String(decoding: AdminJSON.encode(history), as: UTF8.self)
    }

    /// Counts the pages that watch.
    func countWatcher(_ change: Int) { state.withLock { $0.watchers += change } }
}

/// The state that a ``Dashboard`` guards.
struct DashboardState {
    var samples: [DashboardSample] = []
    var topics: AdminTopics?
    var isRanking = false
    /// The number of pages that watch.
    var watchers = 0

    mutating func add(_ sample: DashboardSample) {
        if samples.count == Dashboard.samplesMax { samples.removeFirst() }
        samples.append(sample)
    }
}

/// The first message to a page.
struct LiveHistory: Codable {
    var type = "history"
    let version: String
    let samples: [DashboardSample]
}

/// The message of every second.
struct LiveSample: Codable {
    var type = "sample"
    let sample: DashboardSample
    /// Whether the server is drained or stopping.
    let draining: Bool
    /// Whether new connections are refused because of overload.
    let overloaded: Bool
    let limits: [DashboardLimit]
    /// The topics with the most subscribers; `nil` while they aren't known.
    let topics: AdminTopics?
}
