import Glibc
import Testing
import WebSocketServer

@testable import LoadGenerator

@Suite("What a load reads below /proc")
struct ResourceTests {
    @Test("memory is what is resident, and the part without a file behind it")
    func memory() {
        let text = """
            55d0c5a6d000-7ffe3b5e2000 ---p 00000000 00:00 0                          [rollup]
            Rss:               42512 kB
            Pss:               38211 kB
            Private_Dirty:     12000 kB
            Anonymous:         11892 kB
            """
        let expected = ServerProcess.Memory(resident: 42_512 << 10, own: 11_892 << 10)
        #expect(ServerProcess.memory(text) == expected)
        #expect(ServerProcess.memory("Rss: 4 kB") == .init(resident: 4_096, own: nil))
        #expect(ServerProcess.memory("") == nil)
    }

    @Test("memory of this process is seen whole, and of one that has ended, as none")
    func ownMemory() throws {
        let own = try #require(ServerProcess([getpid()])).memory()
        #expect(own.resident > 1 << 20)
        #expect(try #require(own.own) < own.resident)
        #expect(try #require(ServerProcess([.max])).memory() == .init(resident: 0, own: nil))
    }

    @Test("the machine's busy time includes interrupts, and excludes waiting and what was stolen")
    func machine() throws {
        let text = "cpu  100 20 30 4000 500 6 7 80 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
        let times = try #require(MachineTimes(text, ticksPerSecond: 100))
        #expect(abs(times.busy - 1.63) < 1e-9 && abs(times.stolen - 0.8) < 1e-9)
        #expect(MachineTimes("cpu0 1 1 1 1 1 1 1 1", ticksPerSecond: 100) == nil)
        #expect(MachineTimes("cpu 1 2", ticksPerSecond: 100) == nil)
        #expect(MachineTimes.sinceBoot != nil)
    }

    @Test("other programs are what neither the generator nor the server used")
    func others() throws {
        func times(_ busy: Int, _ stolen: Int) throws -> MachineTimes {
            let text = "cpu \(busy) 0 0 0 0 0 0 \(stolen)"
            return try #require(MachineTimes(text, ticksPerSecond: 100))
        }
        let use = MachineUse(
            from: try times(1_000, 50), to: try times(1_500, 60), known: 4, seconds: 2)
        #expect(abs(use.otherBusy - 0.5) < 1e-9 && abs(use.stolen - 0.05) < 1e-9)
        // The kernel's ticks are coarser than its times of threads.
        let none = MachineUse(
            from: try times(1_000, 50), to: try times(1_500, 50), known: 5.01, seconds: 2)
        #expect(none.otherBusy == 0)
    }

    @Test("a report tells a connection's memory, and what other programs used")
    func told() throws {
        var report = LoadReport(
            LoadPlan(scenario: .idle, url: try WebSocketURL("ws://127.0.0.1:1/")))
        report.memoryBefore = .init(resident: 1 << 20, own: 1 << 19)
        report.memoryAfter = .init(resident: (1 << 20) + 60_000, own: (1 << 19) + 50_000)
        report.machine = MachineUse(otherBusy: 0.125, stolen: 0.02)
        #expect(report.text.contains("600 B a connection, 500 B of it heap and stacks"))
        #expect(report.text.contains("13 % of a core, 2.0 % taken by the host"))
        let summary = report.summary
        #expect(summary.memory?.bytesPerConnection == 600)
        #expect(summary.memory?.ownBytesPerConnection == 500)
        #expect(summary.machine?.otherBusy == 0.125 && summary.machine?.stolen == 0.02)
        report.memoryAfter?.own = nil
        #expect(report.summary.memory?.ownBytesPerConnection == nil)
        #expect(!report.text.contains("heap and stacks"))
    }
}
