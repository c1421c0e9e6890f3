/// An object with one deadline in a ``TimerWheel``, linked into it without further memory.
open class TimerEntry {
    fileprivate(set) unowned(unsafe) var previous: TimerEntry?
    fileprivate(set) unowned(unsafe) var next: TimerEntry?
    /// The tick at which the entry fires, while `isScheduled`; it never wraps (2³² × 32 ms).
    fileprivate(set) var tick: UInt32 = 0
    /// Whether the entry is in the wheel, or taken out of it and about to fire.
    public fileprivate(set) final var isScheduled = false

    public init() {}

    /// Called once on the loop when the deadline has passed. The entry isn't in the wheel any more.
    open func deadlinePassed(now: UInt64) {}
}

/// A coarse hashed timer wheel: schedule and cancel are O(1), entries own no memory of their own.
///
/// Times are milliseconds of one monotonic clock, which are passed in. An entry fires
/// at the first `advance` at or after its deadline, rounded up to a tick: never early, and late
/// by at most one tick plus the caller's own delay. Entries must stay alive while scheduled.
// Safety: the callers keep entries alive while they are scheduled.
@safe
package struct TimerWheel: ~Copyable {
    /// The milliseconds of a tick, as a shift: 32 ms.
    static let tickShift: UInt64 = 5
    static let slotCount = 512

    private var slots = unsafe [Unmanaged<TimerEntry>?](repeating: nil, count: slotCount)
    private var occupied = [UInt64](repeating: 0, count: slotCount / 64)
    /// The last tick whose entries have fired.
    private var current: UInt32
    package private(set) var count = 0

    package init(now: UInt64) {
        current = UInt32(truncatingIfNeeded: now >> Self.tickShift)
    }

    private static func tick(for deadline: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (deadline + (1 << tickShift) - 1) >> tickShift)
    }

    /// Schedules, or moves, an entry to fire at `deadline`; a past one fires at the next tick.
    package mutating func schedule(_ entry: TimerEntry, at deadline: UInt64) {
        let tick = max(Self.tick(for: deadline), current &+ 1)
        if entry.isScheduled {
            if entry.tick == tick { return }
            cancel(entry)
        }
        let slot = Int(tick) % Self.slotCount
        entry.tick = tick
        entry.isScheduled = true
        unsafe entry.previous = nil
        unsafe entry.next = unsafe slots[slot]?.takeUnretainedValue()
        unsafe entry.next?.previous = entry
        unsafe slots[slot] = unsafe Unmanaged.passUnretained(entry)
        occupied[slot / 64] |= 1 << UInt64(slot % 64)
        count += 1
    }

    /// Returns whether an entry is scheduled to fire by `deadline`.
    package func isDue(_ entry: TimerEntry, by deadline: UInt64) -> Bool {
        entry.isScheduled && entry.tick <= Self.tick(for: deadline)
    }

    package mutating func cancel(_ entry: TimerEntry) {
        guard entry.isScheduled else { return }
        entry.isScheduled = false
        unlink(entry)
    }

    private mutating func unlink(_ entry: TimerEntry) {
        let slot = Int(entry.tick) % Self.slotCount
        // An entry that was taken out for firing isn't in its slot any more.
        guard
            unsafe entry.previous != nil
                || slots[slot]?.toOpaque() == Unmanaged.passUnretained(entry).toOpaque()
        else { return }
        if let previous = unsafe entry.previous {
            unsafe previous.next = unsafe entry.next
        } else {
            unsafe slots[slot] = unsafe entry.next.map { unsafe Unmanaged.passUnretained($0) }
            if unsafe entry.next == nil { occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
        }
        unsafe entry.next?.previous = unsafe entry.previous
        unsafe entry.previous = nil
        unsafe entry.next = nil
        count -= 1
    }

    /// Takes out every entry due at `now`, in no particular order within a tick.
    package mutating func takeDue(now: UInt64) -> [TimerEntry] {
        let target = UInt32(truncatingIfNeeded: now >> Self.tickShift)
        guard target > current else { return [] }
        var due: [TimerEntry] = []
        let first = current &+ 1
        let last = min(target, current &+ UInt32(Self.slotCount))
        for tick in first...last where count > 0 {
            let slot = Int(tick) % Self.slotCount
            if occupied[slot / 64] & (1 << UInt64(slot % 64)) == 0 { continue }
            var next = unsafe slots[slot]?.takeUnretainedValue()
            while let entry = next {
                next = unsafe entry.next
                if entry.tick <= target {
                    unlink(entry)
                    due.append(entry)
                }
            }
        }
        current = target
        return due
    }

    /// Marks a due entry as fired; false if it was cancelled since it was taken out, or has been
    /// scheduled anew.
    package mutating func beginFiring(_ entry: TimerEntry) -> Bool {
        guard entry.isScheduled, entry.tick <= current else { return false }
        entry.isScheduled = false
        return true
    }

    /// Returns the milliseconds at which `takeDue` may next find an entry; `nil` when the wheel is
    /// empty.
    package func nextWakeUp() -> UInt64? {
        guard count > 0 else { return nil }
        for distance in 1...Self.slotCount {
            let slot = (Int(current) + distance) % Self.slotCount
            if occupied[slot / 64] & (1 << UInt64(slot % 64)) != 0 {
                return (UInt64(current) + UInt64(distance)) << Self.tickShift
            }
        }
        return nil
    }
}
