import Foundation
import LoadGenerator

/// The folder of `--svg`, for charts as SVG, and as PNG if there is a converter.
struct ChartFolder {
    private let folder: URL

    var path: String { folder.path }

    /// Creates the folder if it is missing. Throws if no file can be created in it.
    init(_ path: String) throws {
        folder = URL(fileURLWithPath: path, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // Permissions are not enough to know: root has them even on a read-only file system.
        let name = ".apus-bench.\(ProcessInfo.processInfo.processIdentifier)"
        let trial = folder.appendingPathComponent(name)
        try Data("trial".utf8).write(to: trial)
        try FileManager.default.removeItem(at: trial)
    }

    /// Writes the charts. Returns the errors of the converter; throws if a file can't be written.
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

    /// Converts a chart. Returns the error; `nil` if there is none, or no converter.
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
