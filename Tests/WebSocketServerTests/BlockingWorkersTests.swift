import Glibc
import Synchronization
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Threads for blocking calls, and durations") struct BlockingWorkersTests {
    struct Failure: Error {}

    @Test("Calls run on a few threads of their own, and return or throw")
    func calls() async throws {
        let running = Locked(0)
        let most = Locked(0)
        let sums = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...100 {
                group.addTask {
                    try await BlockingWorkers.shared.run {
                        let now = running.withLock { count in
                            count += 1
                            return count
                        }
                        most.withLock { $0 = max($0, now) }
                        sched_yield()
                        running.withLock { $0 -= 1 }
                        return number
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sums == 5_050)
        #expect((1...4).contains(most.value))
        await #expect(throws: Failure.self) {
            try await BlockingWorkers.shared.run { throw Failure() }
        }
    }

    @Test("A blocked call delays no other, as long as a thread is free")
    func blocked() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let reading = ends[0]
        async let blocked = BlockingWorkers.shared.run {
            var byte: UInt8 = 0
            return read(reading, &byte, 1)
        }
        let quick = try await within(.seconds(60), "the other call") {
            try await BlockingWorkers.shared.run { 7 }
        }
        #expect(quick == 7)
        var byte: UInt8 = 1
        #expect(write(ends[1], &byte, 1) == 1)
        #expect(try await blocked == 1)
        for end in ends { close(end) }
    }

    @Test("The longest durations can be added to a time")
    func longDurations() {
        #expect(Duration.seconds(Int64.max).milliseconds == 1_000 << 40)
        #expect(Duration.seconds(Int64.min).milliseconds == 0)
        #expect(Duration.nanoseconds(1).milliseconds == 1)
        #expect(Duration.milliseconds(1_500).milliseconds == 1_500)
    }
}
