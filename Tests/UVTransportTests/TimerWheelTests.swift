import Testing
import LiveTesting

@testable import UVTransport

/// Comparison of the timer wheel with a slow and simple second implementation, its twin.
@Suite struct TimerWheelTests {
    final class Entry: TimerEntry {
        let number: Int
        init(_ number: Int) { self.number = number }
    }

    /// The tick of every entry; all of them are searched each time.
    struct Twin {
        var current: UInt64
        var ticks: [Int: UInt64] = [:]

        init(now: UInt64) { current = now / 32 }

        mutating func schedule(_ number: Int, at deadline: UInt64) {
            ticks[number] = max((deadline + 31) / 32, current + 1)
        }

        mutating func advance(to now: UInt64) -> Set<Int> {
            current = max(current, now / 32)
            let due = ticks.filter { $0.value <= current }.map(\.key)
            for number in due { ticks[number] = nil }
            return Set(due)
        }
    }

    private func fired(_ wheel: inout TimerWheel, _ now: UInt64) -> Set<Int> {
        var numbers: Set<Int> = []
        for entry in wheel.takeDue(now: now) where wheel.beginFiring(entry) {
            numbers.insert((entry as! Entry).number)
        }
        return numbers
    }

    @Test(
        "Fires the same entries as its twin, whatever is scheduled, moved or cancelled",
        arguments: 0..<16)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var now = random.next() % (1 << 34)
        var wheel = TimerWheel(now: now)
        var twin = Twin(now: now)
        let entries = (0..<48).map(Entry.init)
        // A revolution is 512 ticks of 32 ms: delays within a slot, within one revolution, and over
        // several.
        let reaches: [UInt64] = [40, 1_000, 16_384, 60_000]
        for _ in 0..<1_500 {
            let entry = entries[Int(random.next() % 48)]
            let reach = reaches[Int(random.next() % 4)]
            switch random.next() % 8 {
            case 0...3:
                let past = random.next() % 16 == 0 ? min(now, 500) : 0
                let deadline = now - past + random.next() % reach
                wheel.schedule(entry, at: deadline)
                twin.schedule(entry.number, at: deadline)
            case 4:
                wheel.cancel(entry)
                twin.ticks[entry.number] = nil
            default:
                now += random.next() % (random.next() % 8 == 0 ? reach : 80)
                let seen = fired(&wheel, now)
                let expected = twin.advance(to: now)
                #expect(seen == expected)
            }
            let count = wheel.count
            #expect(count == twin.ticks.count)
            #expect(entry.isScheduled == (twin.ticks[entry.number] != nil))
            if let wakeUp = wheel.nextWakeUp() {
                #expect(wakeUp <= twin.ticks.values.min()! * 32)
                #expect(wakeUp > now - now % 32)
            } else {
                #expect(twin.ticks.isEmpty)
            }
        }
    }

    @Test("Never fires early, and late by less than a tick, around every boundary")
    func boundaries() {
        let starts: [UInt64] = [0, 1, 31, 32, 33, 511 * 32, 512 * 32 - 1, 512 * 32, 1_000_003]
        let edges: [UInt64] = [0, 32, 64, 511 * 32, 512 * 32, 513 * 32, 1_024 * 32]
        for start in starts {
            for edge in edges {
                for deadline in (start + edge).subtractingClamped(34)...(start + edge + 34) {
                    var wheel = TimerWheel(now: start)
                    let entry = Entry(1)
                    wheel.schedule(entry, at: deadline)
                    // No tick before the last few fires it.
                    var now = max(start, deadline - min(deadline, 96))
                    now -= now % 32
                    let early = fired(&wheel, now)
                    #expect(early.isEmpty)
                    while entry.isScheduled {
                        now += 32
                        if !fired(&wheel, now).isEmpty { break }
                    }
                    #expect(now >= deadline)
                    #expect(now < max(deadline, start) + 64)
                    #expect(now <= max((deadline + 31) / 32, start / 32 + 1) * 32)
                    let isEmpty = wheel.count == 0 && wheel.nextWakeUp() == nil
                    #expect(isEmpty)
                }
            }
        }
    }

    @Test("An entry that another one moves before it fires only fires at its new time")
    func movedWhileFiring() {
        var wheel = TimerWheel(now: 0)
        let entries = (0..<3).map(Entry.init)
        for entry in entries { wheel.schedule(entry, at: 100) }
        let due = wheel.takeDue(now: 128)
        #expect(due.count == 3)
        let fires = wheel.beginFiring(due[0])
        wheel.schedule(due[0], at: 200)
        wheel.schedule(due[1], at: 300)
        wheel.cancel(due[2])
        let others = [wheel.beginFiring(due[1]), wheel.beginFiring(due[2])]
        #expect(fires && others == [false, false])
        let count = wheel.count
        #expect(count == 2)
        let then = [fired(&wheel, 224), fired(&wheel, 400)]
        #expect(then == [[(due[0] as! Entry).number], [(due[1] as! Entry).number]])
    }

    @Test("Nothing fires if the time stands still or goes back")
    func noTime() {
        var wheel = TimerWheel(now: 1_000)
        let entry = Entry(1)
        wheel.schedule(entry, at: 1_000)
        let seen = [fired(&wheel, 1_000), fired(&wheel, 500), fired(&wheel, 1_032)]
        #expect(seen == [[], [], [1]])
    }
}

extension UInt64 {
    fileprivate func subtractingClamped(_ other: UInt64) -> UInt64 {
        self > other ? self - other : 0
    }
}
