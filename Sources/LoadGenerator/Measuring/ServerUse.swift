/// The CPU use of a server's processes while a load was measured.
package struct ServerUse: Sendable {
    /// The seconds of all threads, and the part in user mode, which the kernel samples.
    package var cpuSeconds: Double
    package var userSeconds: Double
    /// The CPU time divided by the wall time; 1 is a whole core.
    package var busy: Double
    /// The CPU use of the busiest thread.
    package var busiestThread: Double

    package init(cpuSeconds: Double, userSeconds: Double, busy: Double, busiestThread: Double) {
        self.cpuSeconds = cpuSeconds
        self.userSeconds = userSeconds
        self.busy = busy
        self.busiestThread = busiestThread
    }

    init(from before: ServerProcess.Usage, to after: ServerProcess.Usage, seconds: Double) {
        func since(_ earlier: UInt64, _ later: UInt64) -> Double {
            later > earlier ? Double(later - earlier) / 1e9 : 0
        }
        let user = Double(max(0, after.userTicks - before.userTicks))
        let system = Double(max(0, after.systemTicks - before.systemTicks))
        cpuSeconds = since(before.total, after.total)
        userSeconds = user + system > 0 ? cpuSeconds * user / (user + system) : 0
        busy = cpuSeconds / seconds
        let threads = after.threads.map { since(before.threads[$0.key] ?? 0, $0.value) }
        busiestThread = (threads.max() ?? cpuSeconds) / seconds
    }
}
