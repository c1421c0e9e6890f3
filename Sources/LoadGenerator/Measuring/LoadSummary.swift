import WebSocketServer

/// The figures of a report under their names in JSON, which include the units.
package struct LoadSummary: Codable, Sendable {
    package struct Latency: Codable, Sendable {
        package var p50: Double
        package var p90: Double
        package var p99: Double
        package var p999: Double
        package var max: Double
    }

    package struct Server: Codable, Sendable {
        package var cpuMicrosecondsPerMessage: Double
        package var userMicrosecondsPerMessage: Double
        package var cpuSeconds: Double
        /// The CPU use; 1 is a whole core.
        package var busy: Double
        package var busiestThread: Double
    }

    package struct Memory: Codable, Sendable {
        package var bytesBefore: Int
        package var bytesAfter: Int
        package var bytesPerConnection: Double
        /// The memory of heaps and stacks, which no file backs.
        package var ownBytesPerConnection: Double?
    }

    /// The CPU use of the machine; 1 is a whole core.
    package struct Machine: Codable, Sendable {
        package var otherBusy: Double
        package var stolen: Double
    }

    package var scenario: String
    /// The URL without its query, which may hold a secret.
    package var url: String
    package var connections: Int
    package var publishers: Int?
    package var inFlight: Int?
    package var ratePerSecond: Double?
    package var payload: String?
    /// The sizes of messages; `nil` if the messages are the lines of a file.
    package var sizes: [Int]?
    /// The frequency of each size; `nil` if all are equally frequent.
    package var sizeWeights: [Int]?
    /// The number of lines of the file whose lines are the messages.
    package var lines: Int?
    package var compression: String
    package var extensions: String?
    package var loops: Int
    package var openingSeconds: Double
    package var seconds: Double
    package var messages: Int
    /// The messages that were unanswered at the end; `nil` for `idle`.
    package var unanswered: Int?
    /// The longest wait of an unanswered message.
    package var longestUnansweredMicroseconds: Double?
    package var messagesPerSecond: Double
    package var payloadBytesInPerSecond: Double
    package var wireBytesInPerSecond: Double
    package var payloadBytesOutPerSecond: Double
    package var wireBytesOutPerSecond: Double
    package var wireBytesPerMessageIn: Double
    package var wireBytesPerMessageOut: Double
    package var ratio: Double?
    package var latencyMicroseconds: Latency?
    package var server: Server?
    package var memory: Memory?
    package var machine: Machine?
    package var generatorBusy: [Double]
    package var verified: Int
    package var errors: Int
    package var firstError: String?
    package var warnings: [String]
    package var interrupted: Bool
}

extension LoadReport {
    package var summary: LoadSummary {
        func rate(_ bytes: Int) -> Double { seconds > 0 ? Double(bytes) / seconds : 0 }
        let hasMessages = plan.scenario != .connect
        let parts = hasMessages ? plan.sizes?.parts : nil
        let isWeighted = parts?.contains { $0.weight > 1 } ?? false
        return LoadSummary(
            scenario: plan.scenario.rawValue, url: plan.shownURL, connections: plan.connections,
            publishers: plan.scenario == .fanout ? plan.publishers : nil,
            inFlight: hasMessages ? plan.inFlight : nil, ratePerSecond: plan.rate,
            payload: hasMessages ? plan.payload.name : nil, sizes: parts?.map(\.size),
            sizeWeights: isWeighted ? parts?.map(\.weight) : nil,
            lines: hasMessages ? plan.lines?.lines.count : nil,
            compression: plan.compression.rawValue, extensions: agreement, loops: plan.loops,
            openingSeconds: openingSeconds, seconds: seconds, messages: tally.messages,
            unanswered: plan.scenario == .idle ? nil : tally.unanswered,
            longestUnansweredMicroseconds: plan.scenario == .idle
                ? nil : Double(tally.longestWait) / 1e3,
            messagesPerSecond: messagesPerSecond, payloadBytesInPerSecond: rate(tally.payloadIn),
            wireBytesInPerSecond: rate(tally.wireIn),
            payloadBytesOutPerSecond: rate(tally.payloadOut),
            wireBytesOutPerSecond: rate(tally.wireOut), wireBytesPerMessageIn: wirePerMessage,
            wireBytesPerMessageOut: wirePerMessageOut, ratio: ratio,
            latencyMicroseconds: hasLatencies ? latencies : nil, server: serverSummary,
            memory: memorySummary,
            machine: machine.map { .init(otherBusy: $0.otherBusy, stolen: $0.stolen) },
            generatorBusy: generatorBusy, verified: tally.verified,
            errors: tally.errors, firstError: tally.firstError, warnings: warnings,
            interrupted: wasInterrupted)
    }

    private var latencies: LoadSummary.Latency {
        LoadSummary.Latency(
            p50: latency(50), p90: latency(90), p99: latency(99), p999: latency(99.9),
            max: latencyMax)
    }

    private var serverSummary: LoadSummary.Server? {
        server.map {
            LoadSummary.Server(
                cpuMicrosecondsPerMessage: cpuPerMessage ?? 0,
                userMicrosecondsPerMessage: userPerMessage ?? 0, cpuSeconds: $0.cpuSeconds,
                busy: $0.busy, busiestThread: $0.busiestThread)
        }
    }

    private var memorySummary: LoadSummary.Memory? {
        guard let memoryBefore, let memoryAfter, let memoryPerConnection else { return nil }
        return LoadSummary.Memory(
            bytesBefore: memoryBefore.resident, bytesAfter: memoryAfter.resident,
            bytesPerConnection: memoryPerConnection,
            ownBytesPerConnection: ownMemoryPerConnection)
    }
}
