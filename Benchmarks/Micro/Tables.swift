import PubSub
import UVTransport

/// The cases of one of many connections that joins and leaves one topic of a loop, or all of its
/// topics.
let topicCases = [
    MicroCase(name: "topics-join-leave", times: 2_000) { times in
        var table = TopicTable()
        let names = (0..<1_000).map { "topic/\($0)" }
        let residents = names.map { name in
            let resident = Subscriber(owner: nil, mode: .plain)
            _ = table.subscribe(resident, to: name, policy: .disconnect)
            return resident
        }
        let guest = Subscriber(owner: nil, mode: .plain)
        var others = 0
        for index in 0..<times {
            let name = names[index % names.count]
            if table.subscribe(guest, to: name, policy: .disconnect) == false { others += 1 }
            if table.unsubscribe(guest, from: name) == false { others += 1 }
        }
        precondition(others == 2 * times && guest.memberships.isEmpty)
        precondition(table.count == residents.count)
        withExtendedLifetime(residents) {}  // a table does not own who is in it
        return others
    },
    MicroCase(name: "topics-leave-8", times: 1_000) { times in
        var table = TopicTable()
        let names = (0..<8).map { "topic/\($0)" }
        var emptied = 0
        for _ in 0..<times {
            let guest = Subscriber(owner: nil, mode: .plain)
            for name in names { _ = table.subscribe(guest, to: name, policy: .disconnect) }
            emptied += withExtendedLifetime(guest) { table.leave(guest).count }
        }
        precondition(emptied == 8 * times && table.count == 0)
        return emptied
    },
    MicroCase(name: "topics-visit-1000", times: 200) { times in
        var table = TopicTable()
        let subscribers = (0..<1_000).map { _ in Subscriber(owner: nil, mode: .plain) }
        for each in subscribers {
            _ = table.subscribe(each, to: "all", policy: .disconnect)
        }
        var seen = 0
        for _ in 0..<times {
            for entry in table["all"]!.entries {
                seen += entry.subscriber._withUnsafeGuaranteedRef { $0.memberships.count }
            }
        }
        precondition(seen == 1_000 * times)
        withExtendedLifetime(subscribers) {}
        return seen
    },
]

/// The cases of deadlines that are postponed, as each message does, and of deadlines that pass.
let timerCases = [
    MicroCase(name: "timers-put-off", times: 5_000) { times in
        var wheel = TimerWheel(now: 0)
        let entries = (0..<1_000).map { _ in TimerEntry() }
        for index in 0..<times {
            wheel.schedule(entries[index % 1_000], at: 30_000 + UInt64(index) * 32)
        }
        let scheduled = wheel.count
        precondition(scheduled == min(times, 1_000))
        for entry in entries { wheel.cancel(entry) }
        return scheduled
    },
    MicroCase(name: "timers-fire", times: 5_000) { times in
        var wheel = TimerWheel(now: 0)
        let entry = TimerEntry()
        var fired = 0
        for tick in 1...times {
            let now = UInt64(tick) * 32
            wheel.schedule(entry, at: now)
            for due in wheel.takeDue(now: now) where wheel.beginFiring(due) { fired += 1 }
        }
        precondition(fired == times && wheel.count == 0)
        return fired
    },
]
