import Foundation
import UVTransport
import WebSocketServer

/// The figures of this process, as Prometheus' own libraries name them.
struct ProcessFigures {
    private var cpuSeconds = 0.0
    private var residentBytes = 0
    private var virtualBytes = 0
    private var threads = 0
    private var openDescriptors = 0
    private var maxDescriptors = 0

    /// Reads the figures. This takes long if many descriptors are open, so that it is no work for
    /// an event loop.
    init() {
        cpuSeconds = Double(SystemClock.processorTime) / 1e9
        // proc(5): the fields after the name, which may contain spaces and parentheses.
        let fields = Self.statFields
        if fields.count > 21 {
            threads = Int(fields[17]) ?? 0
            virtualBytes = Int(fields[20]) ?? 0
            residentBytes = (Int(fields[21]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
        }
        openDescriptors = Self.countDescriptors()
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            maxDescriptors = Int(clamping: limit.rlim_cur)
        }
    }

    /// The fields of `/proc/self/stat` from the third one on.
    private static var statFields: [Substring] {
        guard let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return [] }
        return text[text.index(after: end)...].split(separator: " ")
    }

    private static func countDescriptors() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without the two names of folders, and the descriptor of the folder itself.
        return max(0, count - 3)
    }

    /// The start of the process in seconds since 1970. Later changes of the clock don't move it.
    private static let startTime: Double = {
        let boot = Double(SystemClock.realTime - SystemClock.sinceBoot) / 1e9
        let fields = statFields
        let ticks = fields.count > 19 ? Double(fields[19]) ?? 0 : 0
        let started = ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        return ((boot + started) * 100).rounded() / 100
    }()

    /// Notes the start of the process, which is done best before the clock may be set.
    static func noteStart() { _ = startTime }

    var metrics: [MetricFamily] {
        func number(
            _ kind: MetricFamily.Kind, _ name: String, _ help: String, _ value: Double
        ) -> MetricFamily { MetricFamily(kind, name, help, [.init(.number(value))]) }
        func count(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
            MetricFamily(.gauge, name, help, [.init(.integer(value))])
        }
        return [
            number(
                .counter, "process_cpu_seconds_total", "Processor time of the process.",
                cpuSeconds),
            count("process_resident_memory_bytes", "Resident memory.", residentBytes),
            count("process_virtual_memory_bytes", "Virtual memory.", virtualBytes),
            count("process_threads", "Threads of the operating system.", threads),
            count("process_open_fds", "Open file descriptors.", openDescriptors),
            count("process_max_fds", "The most file descriptors that may be open.", maxDescriptors),
            number(
                .gauge, "process_start_time_seconds",
                "Start of the process, in seconds since 1970.", Self.startTime),
        ]
    }
}
