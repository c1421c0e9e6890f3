import CLibuv
import Dispatch
import Glibc
import Testing
import LiveTesting

@testable import UVTransport

@Suite struct EventLoopTests {
    @Test("Runs the jobs of a thread in order, on the loop")
    func order() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let seen = Locked<[Int]>([])
            for number in 0..<10_000 {
                loop.execute {
                    #expect(loop.isCurrent)
                    seen.withLock { $0.append(number) }
                }
            }
            try await loop.run {}
            #expect(seen.value == Array(0..<10_000))
            #expect(!loop.isCurrent)
        }
    }

    @Test("Measures the CPU time of its turns")
    func turns() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let longest = Locked<UInt64>(0)
            try await loop.run {
                loop.watchTurns { nanoseconds in longest.withLock { $0 = max($0, nanoseconds) } }
            }
            try await loop.run {
                var spent = clock()
                let end = spent + clock_t(CLOCKS_PER_SEC) / 100
                while spent < end { spent = clock() }
            }
            // The turn has ended when the next one has begun.
            try await within(.seconds(60), "the end of the turn") {
                while longest.value < 1_000_000 {
                    try await loop.run {}
                    try Task.checkCancellation()
                }
            }
        }
    }

    @Test("Endless jobs leave time for the next poll")
    func jobsWithoutEnd() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let (isOver, polls) = (Locked(false), Locked(0))
            @Sendable func again() {
                if !isOver.value { loop.execute { again() } }
            }
            loop.execute { again() }
            // Each of these arrives by a poll, behind endless jobs.
            for _ in 0..<3 {
                try await loop.run { polls.withLock { $0 += 1 } }
            }
            #expect(polls.value == 3)
            isOver.withLock { $0 = true }
            try await loop.run {}
        }
    }

    @Test("Loses no wake-up when many threads submit at once")
    func manyThreads() async throws {
        try await withLoops(2) { group in
            let seen = Locked([[Int]](repeating: [], count: 8))
            await withTaskGroup(of: Void.self) { tasks in
                for thread in 0..<8 {
                    tasks.addTask {
                        for number in 0..<2_000 {
                            let loop = group.loops[thread % 2]
                            loop.execute { seen.withLock { $0[thread].append(number) } }
                            if number % 100 == 0 { _ = try? await loop.run {} }
                        }
                    }
                }
            }
            for loop in group.loops { try await loop.run {} }
            let lists = seen.value
            #expect(lists == [[Int]](repeating: Array(0..<2_000), count: 8))
        }
    }

    @Test("All jobs run, even if there are more than one turn may run")
    func longTurn() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let count = Locked(0)
            try await loop.run {
                for _ in 0..<20_000 { loop.execute { count.withLock { $0 += 1 } } }
            }
            try await within(.seconds(120)) {
                while count.value < 20_000 { try await loop.run {} }
            }
        }
    }

    @Test("A task that prefers a loop runs on it, before and after it suspends")
    func taskExecutor() async throws {
        try await withLoops(2) { group in
            let (one, other) = (group.loops[0], group.loops[1])
            let task = Task(executorPreference: one) {
                #expect(one.isCurrent)
                await Task.yield()
                #expect(one.isCurrent)
                await withTaskExecutorPreference(other) {
                    await Task.yield()
                    #expect(other.isCurrent)
                }
                #expect(one.isCurrent)
            }
            try await within { await task.value }
        }
    }

    @Test("Refuses jobs after a stop, and lets its tasks end elsewhere")
    func afterStop() async throws {
        let group = try EventLoopGroup(count: 1)
        let loop = group.loops[0]
        let gate = Reports<Int>()
        let task = Task(executorPreference: loop) { () -> Bool in
            _ = try? await gate.next()
            return loop.isCurrent
        }
        try await loop.run {}
        #expect(group.shutdown() == 0)
        #expect(!loop.execute { Issue.record("work ran after the stop") })
        gate.add(1)
        let wasOnLoop = try await within { await task.value }
        #expect(!wasOnLoop)
    }

    @Test("A job that races with the stop is run or refused, and never lost")
    func raceWithStop() async throws {
        for _ in 0..<40 {
            let group = try EventLoopGroup(count: 1)
            let loop = group.loops[0]
            let accepted = Locked(0)
            let run = Locked(0)
            await withTaskGroup(of: Void.self) { tasks in
                for _ in 0..<2 {
                    tasks.addTask {
                        for _ in 0..<50 {
                            let isAccepted = loop.execute {
                                run.withLock { $0 += 1 }
                            }
                            if isAccepted { accepted.withLock { $0 += 1 } }
                        }
                    }
                }
                tasks.addTask { #expect(group.shutdown() == 0) }
            }
            #expect(accepted.value == run.value)
        }
    }

    @Test("A handle left open doesn't prevent the loop from stopping, and is reported")
    func leftOpen() async throws {
        let group = try EventLoopGroup(count: 1)
        let loop = group.loops[0]
        try await loop.run { _ = RecordingStream(loop: loop) }
        #expect(group.shutdown() == 1)
    }

    @Test("A deadline passes once, at its time, unless it is cancelled")
    func deadlines() async throws {
        final class Entry: TimerEntry {
            let fired = Reports<UInt64>()
            override func deadlinePassed(now: UInt64) { fired.add(now) }
        }
        struct Entries: @unchecked Sendable {
            let first = Entry()
            let cancelled = Entry()
            let moved = Entry()
        }
        try await withLoops { group in
            let loop = group.loops[0]
            let entries = Entries()
            let start = try await loop.run {
                let start = loop.now
                loop.schedule(entries.moved, at: start + 10)
                loop.schedule(entries.first, at: start + 50)
                loop.schedule(entries.cancelled, at: start + 20)
                loop.cancel(entries.cancelled)
                loop.schedule(entries.moved, at: start + 150)
                return start
            }
            #expect(try await entries.first.fired.next() >= start + 50)
            #expect(try await entries.moved.fired.next() >= start + 150)
            #expect(entries.cancelled.fired.all.isEmpty)
            #expect(entries.first.fired.all.count == 1 && entries.moved.fired.all.count == 1)
        }
    }

    @Test("Data that arrived while a loop was blocked is received before late deadlines pass")
    func lateDeadlines() async throws {
        final class Entry: TimerEntry {
            let report: () -> Void
            init(_ report: @escaping () -> Void) { self.report = report }
            override func deadlinePassed(now: UInt64) { report() }
        }
        struct Entries: @unchecked Sendable { let entries: [Entry] }
        try await withLoops { group in
            let loop = group.loops[0]
            let pair = try await makePair(.tcp, on: loop)
            let events = pair.stream.events
            let entries = Entries(entries: (0..<2).map { _ in Entry { events.add(.shrank(0)) } })
            let gate = DispatchSemaphore(value: 0)
            loop.execute {
                loop.schedule(entries.entries[0], at: loop.now + 20)
                loop.schedule(entries.entries[1], at: loop.now + 60)
                gate.wait()
            }
            let (start, clock) = (ContinuousClock.now, ContinuousClock())
            try await pair.peer.send("in time")
            while start.duration(to: clock.now) < .milliseconds(150) { await Task.yield() }
            gate.signal()
            #expect(try await events.next() == .received(Array("in time".utf8)))
            for _ in 0..<2 { #expect(try await events.next() == .shrank(0)) }
            try await pair.close()
        }
    }

    @Test("A signal reaches its source on the loop")
    func signals() async throws {
        struct Source: @unchecked Sendable { let source: SignalSource }
        try await withLoops { group in
            let loop = group.loops[0]
            let seen = Reports<Int32>()
            let source = try await loop.run {
                Source(
                    source: try SignalSource(loop: loop, signal: SIGUSR2) {
                        #expect(loop.isCurrent)
                        seen.add($0)
                    })
            }
            kill(getpid(), SIGUSR2)
            #expect(try await seen.next() == SIGUSR2)
            try await loop.run { source.source.close() }
        }
    }

    @Test("A precise timer ticks on its loop until it is closed, also within a tick")
    func preciseTimer() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let ticks = Reports<UInt64>()
            try await loop.run {
                nonisolated(unsafe) var count: UInt64 = 0
                nonisolated(unsafe) var timer: PrecisionTimer?
                timer = try PrecisionTimer.start(loop: loop, interval: 100_000) {
                    #expect(loop.isCurrent)
                    count += 1
                    ticks.add(count)
                    if count == 3 { timer?.close() }
                }
            }
            for expected in 1...3 as ClosedRange<UInt64> {
                #expect(try await ticks.next() == expected)
            }
        }
    }

    @Test("A precise timer can be set again within a tick, but not after it is closed")
    func preciseTimerAnew() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let ticks = Reports<Int>()
            try await loop.run {
                nonisolated(unsafe) var count = 0
                nonisolated(unsafe) var timer: PrecisionTimer?
                // The first tick sets it to an hour. It ticks again only because it is set once
                // more.
                timer = try PrecisionTimer.start(loop: loop, interval: 1) {
                    count += 1
                    ticks.add(count)
                    if count == 3 { timer?.close() }
                    let code = timer?.set(interval: count == 1 ? 3_600_000_000_000 : 1)
                    #expect(code == (count == 3 ? UV_ECANCELED.rawValue : 0))
                    if count == 1 { #expect(timer?.set(interval: 1) == 0) }
                }
            }
            for expected in 1...3 { #expect(try await ticks.next() == expected) }
        }
    }

    @Test("A busy-polling loop takes turns without events, until it may sleep")
    func spinner() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let turns = Reports<Int>()
            try await loop.run {
                nonisolated(unsafe) var count = 0
                nonisolated(unsafe) var spinner: LoopSpinner?
                spinner = LoopSpinner.start(loop: loop) {
                    #expect(loop.isCurrent)
                    count += 1
                    if count <= 3 { turns.add(count) }
                    if count == 3 { spinner?.close() }
                }
            }
            for expected in 1...3 { #expect(try await turns.next() == expected) }
        }
    }

    @Test("A thread stays on its assigned cores")
    func affinity() async throws {
        let all = CoreAffinity.current
        let first = try #require(all.cores.first)
        try await withLoops { group in
            let pinned = try await group.loops[0].run {
                let one = CoreAffinity(cores: [first])
                #expect(one.apply())
                return CoreAffinity.current
            }
            #expect(pinned.cores == [first])
        }
        #expect(CoreAffinity.current == all)
        #expect(!CoreAffinity(cores: []).apply())
    }

    /// What only one job at a time may touch.
    private final class Unshared: @unchecked Sendable {
        var count = 0
        var isBusy = false
    }

    @Test("Tasks that outlive their loop run once its thread is done, one job at a time")
    func lateJobs() async throws {
        for _ in 0..<20 {
            let group = try EventLoopGroup(count: 1)
            let loop = group.loops[0]
            let unshared = Unshared()
            let tasks = (0..<4).map { _ in
                Task(executorPreference: loop) {
                    for _ in 0..<100 {
                        await Task.yield()
                        #expect(!unshared.isBusy && loop.now < .max)
                        unshared.isBusy = true
                        unshared.count += 1
                        unshared.isBusy = false
                    }
                }
            }
            loop.stop()
            for task in tasks { await task.value }
            #expect(group.shutdown() == 0)
            #expect(unshared.count == 400)
        }
    }

    @Test("A loop that has ended still tells its last time")
    func lastTime() throws {
        let group = try EventLoopGroup(count: 1)
        _ = group.shutdown()
        #expect(group.loops[0].now < .max)
    }
}
