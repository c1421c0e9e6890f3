import Foundation
import LoadGenerator

/// The folder that `--svg` names: charts as SVG, and as PNG where there is a converter.
struct ChartFolder {
    private let folder: URL

    var path: String { folder.path }

    /// Makes the folder where it isn't there yet; throws where no file can be made in it.
    init(_ path: String) throws {
        folder = URL(fileURLWithPath: path, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // Permissions don't tell: root has them on a file system that is read-only.
        let name = ".apus-bench.\(ProcessInfo.processInfo.processIdentifier)"
        let trial = folder.appendingPathComponent(name)
        try Data("trial".utf8).write(to: trial)
        try FileManager.default.removeItem(at: trial)
    }

    /// Writes them; returns what the converter could not do, and throws where a file can't be
    /// written.
    func write(_ charts: [(name: String, chart: LineChart)]) throws -> [String] {
        var faults: [String] = []
        for (name, chart) in charts {
            let file = folder.appendingPathComponent("\(name).svg")
            try Data(chart.svg.utf8).write(to: file)
            let image = folder.appendingPathComponent("\(name).png")
            if let fault = Self.convert(file, to: image) {
                faults.append("\(image.path) is not written: \(fault)")
            }
        }
        return faults
    }

    /// What went wrong; `nil` also where there is no converter.
    private static func convert(_ chart: URL, to image: URL) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let program = folders.map { "\($0)/rsvg-convert" }
            .first(where: FileManager.default.isExecutableFile)
        guard let program else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["--zoom", "2", "--output", image.path, chart.path]
        do {
            try process.run()
        } catch {
            return "\(program) can't be started: \(reason(for: error))"
        }
        process.waitUntilExit()
        let status = process.terminationStatus
        switch process.terminationReason {
        case .exit: return status == 0 ? nil : "\(program) ended with status \(status)"
        default: return "\(program) was ended by signal \(status)"
        }
    }
}
