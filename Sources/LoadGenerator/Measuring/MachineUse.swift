import Glibc

/// The CPU use of other programs on the generator's machine while a load was measured.
package struct MachineUse: Sendable {
    /// The CPU time of all programs except the generator and the visible processes of the server,
    /// divided by the wall time; 1 is a whole core.
    package var otherBusy: Double
    /// The time in which the host of a virtual machine ran others instead.
    package var stolen: Double

    package init(otherBusy: Double, stolen: Double) {
        self.otherBusy = otherBusy
        self.stolen = stolen
    }

    /// - Parameter known: The seconds of the generator and the server, which are not counted.
    init(from before: MachineTimes, to after: MachineTimes, known: Double, seconds: Double) {
        // The kernel counts in ticks, so a small difference can come out negative.
        otherBusy = max(0, after.busy - before.busy - known) / seconds
        stolen = max(0, after.stolen - before.stolen) / seconds
    }

    var inWords: String {
        let text = "\(Figures.percent(otherBusy)) of a core"
        return stolen < 0.005 ? text : text + ", \(Figures.percent(stolen)) taken by the host"
    }
}

/// The CPU time of the whole machine, in seconds.
struct MachineTimes: Equatable {
    /// The busy time, including interrupts.
    var busy: Double
    var stolen: Double

    /// The times since the machine started; `nil` where the kernel doesn't report them.
    static var sinceBoot: MachineTimes? {
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        return ProcFile.read("/proc/stat").flatMap { MachineTimes($0, ticksPerSecond: ticks) }
    }

    /// Reads text as in `/proc/stat`.
    init?(_ text: String, ticksPerSecond: Double) {
        // cpu user nice system idle iowait irq softirq steal…
        let fields = text.prefix { $0 != "\n" }.split(separator: " ")
        let ticks = fields.dropFirst().compactMap { Double($0) }
        guard fields.first == "cpu", ticks.count >= 8 else { return nil }
        busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / ticksPerSecond
        stolen = ticks[7] / ticksPerSecond
    }
}
