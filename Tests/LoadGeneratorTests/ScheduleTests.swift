import Histogram
import Testing

@testable import LoadGenerator

@Suite("The schedule of an open loop")
struct ScheduleTests {
    @Test("messages come due at the rate, each once")
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

    @Test("what was due while nobody looked is charged from when it was due")
    func omission() {
        var schedule = Schedule(rate: 100, beginning: 0)
        let late = schedule.take(now: 1_000_000_000)
        #expect(late == 0..<101)
        #expect(schedule.due(late.lowerBound) == 0)
        #expect(schedule.due(50) == 500_000_000)
        #expect(schedule.due(late.upperBound) > 1_000_000_000)
    }

    @Test("no message is due later than it was taken", arguments: [3, 7_777, 1_234_567])
    func consistent(_ rate: Int) {
        var schedule = Schedule(rate: Double(rate), beginning: 1_000)
        var now: UInt64 = 1_000
        for step in 1...2_000 {
            for number in schedule.take(now: now) { #expect(schedule.due(number) <= now) }
            now += UInt64(step) * 1_000
        }
    }

    @Test("the timer ticks once a message, at most every 50 µs")
    func tick() {
        #expect(Schedule(rate: 1_000, beginning: 0).tick == 1_000_000)
        #expect(Schedule(rate: 1_000_000, beginning: 0).tick == 50_000)
        #expect(Schedule(rate: 1, beginning: 0).tick == 10_000_000)
    }

    @Test("percentiles are right to three digits, of loops together")
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
