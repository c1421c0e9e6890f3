import Foundation

/// The figures of a comparison under their names in JSON.
package struct CompareSummary: Codable, Sendable {
    package struct Measured: Codable, Sendable {
        package var way: String
        package var size: Int
        package var subscribers: Int?
        /// `never`, `always`, `below` or `within noise`; `nil` for plain messages.
        package var pays: String?
        package var breakEvenMegabitsPerSecond: Double?
        /// The speed below which compression surely pays, if the difference is within noise.
        package var surelyBelowMegabitsPerSecond: Double?
        /// The CPU time of each run; the report is that of the median run.
        package var cpuMicrosecondsPerMessageOfRuns: [Double]
        package var report: LoadSummary
    }

    package struct Answer: Codable, Sendable {
        package var way: String
        package var subscribers: Int?
        /// The smallest message that gains, for each link; `nil` if none does.
        package var smallestSizes: [String: Int?]
    }

    package struct Machine: Codable, Sendable {
        package var processor: String
        package var cores: Int
        package var kernel: String
        /// The files of the compression libraries; their names contain the versions.
        package var libraries: [String]
    }

    /// The program's version.
    package var version: String
    /// The URL of a server that was not started for the comparison.
    package var url: String?
    package var machine: Machine
    package var measured: [Measured]
    package var answers: [Answer]
    package var explanation: String
    package var warnings: [String]
}

extension CompareResult {
    package var summary: CompareSummary {
        CompareSummary(
            version: plan.version, url: plan.server?.shownURL, machine: .current,
            measured: measured.map { one, report in
                let breakEven = breakEven(one)
                return CompareSummary.Measured(
                    way: one.way.rawValue, size: one.size, subscribers: one.subscribers,
                    pays: breakEven?.kind, breakEvenMegabitsPerSecond: breakEven?.megabits,
                    surelyBelowMegabitsPerSecond: breakEven?.surelyBelow,
                    cpuMicrosecondsPerMessageOfRuns: cpuTimes(one), report: report.summary)
            },
            answers: answers.map {
                CompareSummary.Answer(
                    way: $0.way.rawValue, subscribers: $0.subscribers,
                    smallestSizes: Dictionary(
                        uniqueKeysWithValues: zip(Self.links.map(\.name), $0.smallestSizes)))
            },
            explanation: notes.joined(separator: " "), warnings: warnings)
    }
}

extension CompareSummary.Machine {
    static var current: Self {
        let processors = ProcFile.read("/proc/cpuinfo")?.split(separator: "\n") ?? []
        let model = processors.first { $0.hasPrefix("model name") }?.split(separator: ":").last
        return Self(
            processor: model.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown",
            cores: ProcessInfo.processInfo.activeProcessorCount,
            kernel: ProcFile.read("/proc/sys/kernel/osrelease")?
                .trimmingCharacters(in: .newlines) ?? "unknown",
            libraries: ProcFile.read("/proc/self/maps").map(compressors) ?? [])
    }

    /// Returns the files of zlib and ISA-L that a process has mapped, such as `libz.so.1.2.13`.
    static func compressors(_ maps: String) -> [String] {
        let files = maps.split(separator: "\n").compactMap { line in
            line.split(separator: "/").last.map(String.init)
        }
        return Set(files.filter { $0.hasPrefix("libz.so") || $0.hasPrefix("libisal.so") }).sorted()
    }

    /// Returns one line with the program's version.
    func text(version: String) -> String {
        let machine = "\(processor), \(cores) \(cores == 1 ? "core" : "cores"), Linux \(kernel)"
        return "\(machine); " + (["apus \(version)"] + libraries).joined(separator: ", ")
    }
}
