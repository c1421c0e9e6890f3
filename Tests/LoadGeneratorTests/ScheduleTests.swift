import Histogram
import Testing

@testable import LoadGenerator

@Suite("The schedule of an open loop")
struct ScheduleTests {
    @Test("Messages are due at the rate, each once")
    func rate() {
        var schedule = Schedule(rate: 1_000, beginning: 5_000_000)
        #expect(schedule.take(now: 4_999_999).isEmpty)
        #expect(schedule.take(now: 5_000_000) == 0..<1)
        #expect(schedule.take(now: 5_999_999).isEmpty)
        #expect(schedule.take(now: 6_000_000) == 1..<2)
        #expect(schedule.take(now: 9_500_000) == 2..<5)
        #expect(schedule.take(now: 9_400_000).isEmpty)
        #expect(schedule.taken == 5)
    }

    @Test("The latency of a late message counts from its due time")
    func omission() {
        var schedule = Schedule(rate: 100, beginning: 0)
        let late = schedule.take(now: 1_000_000_000)
        #expect(late == 0..<101)
        #expect(schedule.due(late.lowerBound) == 0)
        #expect(schedule.due(50) == 500_000_000)
        #expect(schedule.due(late.upperBound) > 1_000_000_000)
    }

    @Test("No message is due later than it was taken", arguments: [3, 7_777, 1_234_567])
    func consistent(_ rate: Int) {
        var schedule = Schedule(rate: Double(rate), beginning: 1_000)
        var now: UInt64 = 1_000
        for step in 1...2_000 {
            for number in schedule.take(now: now) { #expect(schedule.due(number) <= now) }
            now += UInt64(step) * 1_000
        }
    }

    @Test(
        "Each message is due at the time given by its number and the rate, for a day",
        arguments: [1, 3, 7, 60, 99, 1_000, 7_777, 1_234_567, 100_000_000])
    func exact(_ rate: Int) {
        let beginning: UInt64 = 123_456_789_012_345
        let schedule = Schedule(rate: Double(rate), beginning: beginning)
        let day = 86_400 * rate
        for number in [0, 1, 2, 59, 60, 61, rate - 1, rate, day / 24 + 1, day - 1] {
            // A multiple of the rate, so that nothing is rounded.
            let due = UInt128(schedule.due(number) - beginning) * UInt128(rate)
            let expected = UInt128(number) * 1_000_000_000
            let off = due > expected ? due - expected : expected - due
            #expect(off <= UInt128(rate), "\(number) is off by more than a nanosecond")
        }
    }

    @Test(
        "At low rates the loop wakes up when each message is due",
        arguments: [0.3, 1, 3, 7, 60, 99.9, 1_000, 4_999, 5_000])
    func eachWhenDue(_ rate: Double) {
        var schedule = Schedule(rate: rate, beginning: 1_000_003)
        #expect(!schedule.isBatched)
        var now = schedule.beginning
        for number in 0..<2_000 {
            #expect(now == schedule.due(number))
            #expect(schedule.take(now: now) == number..<number + 1)
            now += schedule.wait(at: now)
        }
    }

    @Test("A loop that wakes up late takes all due messages, then waits for a single one")
    func late() {
        var schedule = Schedule(rate: 60, beginning: 0)
        #expect(schedule.take(now: 60_000_000) == 0..<4)
        #expect(60_000_000 + schedule.wait(at: 60_000_000) == schedule.due(4))
        // The next message has become due meanwhile, so it is taken at once.
        #expect(schedule.wait(at: 70_000_000) == 1)
    }

    @Test(
        "At high rates no message waits longer than the period of a batch",
        arguments: [5_001, 7_777, 30_000, 1_000_000])
    func batches(_ rate: Int) {
        var schedule = Schedule(rate: Double(rate), beginning: 1_000_003)
        #expect(schedule.isBatched)
        var now = schedule.beginning + 17
        var count = 0
        for _ in 0..<2_000 {
            let due = schedule.take(now: now)
            #expect(due.allSatisfy { now - schedule.due($0) <= Schedule.batchPeriod })
            count += due.count
            now += Schedule.batchPeriod
        }
        #expect(count == schedule.dueCount(at: now - Schedule.batchPeriod))
    }

    @Test("Percentiles have three correct digits, for several loops together")
    func percentiles() {
        var sum = LoadTally()
        for part in 0..<4 {
            var tally = LoadTally()
            for value in 1...2_500 { tally.record(UInt64(value * 4 - part) * 1_000) }
            tally.messages = 2_500
            sum.add(tally)
        }
        #expect(sum.messages == 10_000)
        for (percentile, expected) in [(50.0, 5_000_000.0), (99, 9_900_000), (99.9, 9_990_000)] {
            let value = Double(sum.latency.valueAtPercentile(percentile))
            #expect(abs(value / expected - 1) < 0.002, "\(percentile)")
        }
        #expect(abs(Double(sum.latency.max) / 1e7 - 1) < 0.002)
    }
}
