import Testing

@testable import WebSocketServer

@Suite("The gauge of a load") struct LoadGaugeTests {
    private static let thresholds = LoadGauge.Thresholds(
        low: 10, high: 20, extreme: 40, onset: 100, recovery: 200)

    @Test("Every sequence of readings leads to the level that the definition says")
    func exhaustive() {
        // Both sides of each threshold, and steps within and at the periods.
        let values = [10, 11, 20, 39, 40]
        let steps: [UInt64] = [60, 100]
        let length = 5
        var inputs: [(value: Int, step: UInt64)] = []
        for value in values { for step in steps { inputs.append((value, step)) } }
        var sequence = [Int](repeating: 0, count: length)
        var mismatches = 0
        while true {
            var gauge = LoadGauge(Self.thresholds)
            var reference = SlowGauge(Self.thresholds)
            var now: UInt64 = 1_000
            for index in sequence {
                now += inputs[index].step
                let before = gauge.level
                let change = gauge.record(inputs[index].value, now: now)
                reference.record(inputs[index].value, now: now)
                let expected: Bool? =
                    (before == .normal) == (gauge.level == .normal) ? nil : gauge.level > .normal
                if gauge.level != reference.level || change != expected { mismatches += 1 }
            }
            // The next sequence.
            var digit = 0
            while digit < length, sequence[digit] == inputs.count - 1 {
                sequence[digit] = 0
                digit += 1
            }
            if digit == length { break }
            sequence[digit] += 1
        }
        #expect(mismatches == 0)
    }

    @Test("A short peak changes nothing, and a load between the thresholds ends nothing")
    func hysteresis() {
        var gauge = LoadGauge(Self.thresholds)
        #expect(gauge.record(20, now: 0) == nil)
        #expect(gauge.record(19, now: 99) == nil)
        #expect(gauge.record(20, now: 100) == nil)
        #expect(gauge.record(20, now: 199) == nil)
        #expect(gauge.record(20, now: 200) == true)
        // A load that swings around the upper threshold doesn't flap.
        for now in stride(from: UInt64(300), to: 10_000, by: 100) {
            #expect(gauge.record(now % 200 == 0 ? 19 : 21, now: now) == nil)
        }
        #expect(gauge.record(10, now: 10_000) == nil)
        #expect(gauge.record(11, now: 10_100) == nil)
        #expect(gauge.record(10, now: 10_200) == nil)
        #expect(gauge.record(10, now: 10_399) == nil)
        #expect(gauge.record(10, now: 10_400) == false)
        #expect(gauge.level == .normal)
    }

    @Test("An extreme load stays extreme until it is below the upper threshold")
    func extreme() {
        var gauge = LoadGauge(Self.thresholds)
        _ = gauge.record(40, now: 0)
        #expect(gauge.record(40, now: 100) == true && gauge.level == .extreme)
        _ = gauge.record(20, now: 200)
        #expect(gauge.level == .extreme)
        _ = gauge.record(19, now: 300)
        #expect(gauge.level == .high)
        _ = gauge.record(39, now: 400)
        #expect(gauge.level == .high)
        _ = gauge.record(40, now: 500)
        #expect(gauge.level == .extreme)
    }

    @Test("Without an onset, the first high value counts")
    func immediate() {
        var gauge = LoadGauge(
            LoadGauge.Thresholds(low: 10, high: 20, extreme: 40, onset: 0, recovery: 0))
        #expect(gauge.record(20, now: 0) == true)
        #expect(gauge.record(10, now: 0) == false)
    }

    @Test("The process's load is the higher one of memory and descriptors")
    func process() {
        let levels = Levels()
        let thresholds = LoadGauge.Thresholds(
            low: 10, high: 20, extreme: 40, onset: 0, recovery: 100)
        var load = ProcessLoad(
            memory: thresholds, descriptors: thresholds, descriptorLimit: 30,
            readMemory: { levels.memory }, readDescriptors: { levels.descriptors })
        #expect(load.measure(now: 0).isEmpty && load.level == .normal)
        levels.descriptors = .max
        #expect(load.measure(now: 1).map(\.measure) == ["descriptors"] && load.level == .high)
        levels.memory = 40
        #expect(load.measure(now: 2).map(\.measure) == ["memory"] && load.level == .extreme)
        // The memory can't be read without a descriptor: what is known stays.
        levels.memory = nil
        #expect(load.measure(now: 3).isEmpty && load.level == .extreme)
        (levels.memory, levels.descriptors) = (0, 0)
        #expect(load.measure(now: 4).isEmpty && load.level > .normal)
        #expect(load.measure(now: 104).allSatisfy { !$0.isOverloaded } && load.level == .normal)
    }

    @Test("Refused clients are told different times, within the range of the recovery")
    func jitter() {
        var options = OverloadConfiguration()
        options.recovery = .milliseconds(4_500)
        let overload = Overload(options, loopCount: 1)
        let times = Set((0..<1_000).map { _ in overload.retryAfter() })
        #expect(times == Set(5...15))
    }

    @Test("The server counts as overloaded when half of its loops are late")
    func loops() {
        let overload = Overload(OverloadConfiguration(), loopCount: 4)
        #expect(!overload.isOverloaded)
        overload.count(lagging: 1)
        #expect(!overload.isOverloaded)
        overload.count(lagging: 1)
        #expect(overload.isOverloaded)
        overload.count(lagging: -1)
        #expect(!overload.isOverloaded)
        overload.processLevel = .high
        #expect(overload.isOverloaded)
    }
}

/// The loads that a test sets.
private final class Levels {
    var memory: Int? = 0
    var descriptors = 0
}

/// The definition of ``LoadGauge``, with all values since the last change at hand.
private struct SlowGauge {
    let thresholds: LoadGauge.Thresholds
    private(set) var level = LoadLevel.normal
    private var readings: [(value: Int, time: UInt64)] = []

    init(_ thresholds: LoadGauge.Thresholds) { self.thresholds = thresholds }

    mutating func record(_ value: Int, now: UInt64) {
        readings.append((value, now))
        if level == .normal {
            if let time = duration({ $0 >= thresholds.high }), time >= thresholds.onset {
                level = value >= thresholds.extreme ? .extreme : .high
                readings = []
            }
        } else if let time = duration({ $0 <= thresholds.low }), time >= thresholds.recovery {
            level = .normal
            readings = []
        } else if value >= thresholds.extreme {
            level = .extreme
        } else if value < thresholds.high {
            level = .high
        }
    }

    /// Returns the time for which all values have had a property; `nil` if the last one hasn't.
    private func duration(_ holds: (Int) -> Bool) -> UInt64? {
        guard let last = readings.last, holds(last.value) else { return nil }
        let run = readings.reversed().prefix { holds($0.value) }
        return last.time - (run.last?.time ?? last.time)
    }
}
