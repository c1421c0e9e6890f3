import Glibc

/// What other programs of the generator's machine used of its CPU while a load was measured.
package struct MachineUse: Sendable {
    /// CPU time by wall time, that of the generator and of the server's processes aside, as far as
    /// they are seen; 1 is a whole core.
    package var otherBusy: Double
    /// Time in which the host of a virtual machine ran others instead.
    package var stolen: Double

    package init(otherBusy: Double, stolen: Double) {
        self.otherBusy = otherBusy
        self.stolen = stolen
    }

    /// - Parameter known: seconds of the generator and the server, which are not counted.
    init(from before: MachineTimes, to after: MachineTimes, known: Double, seconds: Double) {
        // The kernel counts ticks, so little can come out as less than nothing.
        otherBusy = max(0, after.busy - before.busy - known) / seconds
        stolen = max(0, after.stolen - before.stolen) / seconds
    }

    var inWords: String {
        let text = "\(Figures.percent(otherBusy)) of a core"
        return stolen < 0.005 ? text : text + ", \(Figures.percent(stolen)) taken by the host"
    }
}

/// Seconds of CPU time of the whole machine.
struct MachineTimes: Equatable {
    /// Including interrupts.
    var busy: Double
    var stolen: Double

    /// The times since the machine started; `nil` where the kernel doesn't tell.
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
