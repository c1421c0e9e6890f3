import Testing
import WebSocketProtocol

@testable import WebSocketServer

/// The actions of the lifecycle as time passes.
@Suite("Connection deadlines") struct ConnectionDeadlineTests {
    typealias Lifecycle = ConnectionLifecycle

    static let start = LifecycleWorld.start

    /// Pings after 32 s of silence, which this connection's number shortens, and 9.6 s for a pong.
    private static var heartbeat: Heartbeat {
        var heartbeat = Heartbeat()
        heartbeat.interval = .seconds(32)
        heartbeat.timeout = .milliseconds(9_600)
        return heartbeat
    }

    static func lifecycle(
        awaitsAuthentication: Bool = false, _ configure: (inout Limits) -> Void = { _ in }
    ) -> Lifecycle {
        LifecycleWorld.lifecycle(
            in: .open, heartbeat: heartbeat, awaitsAuthentication: awaitsAuthentication, configure)
    }

    /// A tick where the peer has nothing to take that counts.
    static func tick(_ lifecycle: inout Lifecycle, at now: UInt64) -> Lifecycle.TickAction {
        lifecycle.tick(now: now, holdsContext: false) {
            Issue.record("asks whether the peer takes something")
            return false
        }
    }

    private static func tick(
        _ lifecycle: inout Lifecycle, at now: UInt64, takesSome: Bool
    ) -> Lifecycle.TickAction {
        lifecycle.tick(now: now, holdsContext: false) { takesSome }
    }

    // MARK: - Heartbeat

    @Test("A ping goes out in silence, and a peer that answers with any byte stays")
    func ping() {
        var lifecycle = Self.lifecycle()
        var due = lifecycle.nextDeadline(holdsContext: false, now: Self.start)!
        for _ in 0..<5 {
            let before = due - 33
            let early = Self.tick(&lifecycle, at: before)
            #expect(early == .keep([], next: due))
            let pongDue = CoarseTime(due).milliseconds + 9_600
            #expect(Self.tick(&lifecycle, at: due) == .keep(.sendPing, next: pongDue))
            #expect(lifecycle.liveness.awaitsPong == true)
            _ = lifecycle.received(now: pongDue - 32)
            let interval = lifecycle.liveness.pingInterval(lifecycle.options)
            due = pongDue - 32 + interval
            #expect(Self.tick(&lifecycle, at: pongDue) == .keep([], next: due))
            #expect(lifecycle.liveness.awaitsPong == false)
        }
    }

    @Test("A peer that neither answers nor takes anything is dead")
    func dead() {
        var lifecycle = Self.lifecycle()
        let due = lifecycle.nextDeadline(holdsContext: false, now: Self.start)!
        guard case .keep(.sendPing, let pongDue?) = Self.tick(&lifecycle, at: due) else {
            Issue.record("no ping")
            return
        }
        #expect(Self.tick(&lifecycle, at: pongDue - 1) == .keep([], next: pongDue))
        var asked = 0
        let action = lifecycle.tick(now: pongDue, holdsContext: false) {
            asked += 1
            return false
        }
        #expect(action == .timedOut(.heartbeat) && asked == 1)
    }

    @Test("A peer that takes some of what was sent before the ping has as long again")
    func taking() {
        var lifecycle = Self.lifecycle()
        var due = lifecycle.nextDeadline(holdsContext: false, now: Self.start)!
        _ = Self.tick(&lifecycle, at: due)
        due = CoarseTime(due).milliseconds
        for _ in 0..<3 {
            due += 9_600
            let action = lifecycle.tick(now: due, holdsContext: false) { true }
            #expect(action == .keep([], next: due + 9_600))
            #expect(lifecycle.liveness.awaitsPong == true)
        }
        // Bytes that the kernel takes of the outbox are acknowledged ones: a sign of life.
        _ = lifecycle.outboxShrank(to: 1 << 20, hasEnded: false, now: due + 32)
        guard case .keep([], _) = Self.tick(&lifecycle, at: due + 9_600) else {
            Issue.record("taken for dead")
            return
        }
        #expect(lifecycle.liveness.awaitsPong == false)
    }

    @Test(
        "A peer that isn't read from is never pinged or taken for dead",
        arguments: [1, 8, 16, 32, 64] as [UInt8])
    func paused(reason: UInt8) {
        var lifecycle = Self.lifecycle()
        lifecycle.pause(for: Lifecycle.PauseReasons(rawValue: reason))
        for second in stride(from: 10_000 as UInt64, through: 600_000, by: 10_000) {
            let now = Self.start + second
            guard case .keep([], let next?) = Self.tick(&lifecycle, at: now) else {
                Issue.record("not kept")
                return
            }
            #expect(next > now + 28_000)
        }
        // Once it is read from, it has the whole interval.
        _ = lifecycle.resume(from: Lifecycle.PauseReasons(rawValue: reason))
        let now = Self.start + 600_000
        let interval = lifecycle.liveness.pingInterval(lifecycle.options)
        #expect(Self.tick(&lifecycle, at: now + interval - 1) == .keep([], next: now + interval))
        guard case .keep(.sendPing, _) = Self.tick(&lifecycle, at: now + interval) else {
            Issue.record("no ping")
            return
        }
    }

    @Test("A peer that is awaited to take its outbox is pinged all the same")
    func pausedForOutbox() {
        var lifecycle = Self.lifecycle()
        lifecycle.pause(for: .outbox)
        guard case .keep(.sendPing, let due?) = Self.tick(&lifecycle, at: Self.start + 32_000)
        else {
            Issue.record("no ping")
            return
        }
        let action = lifecycle.tick(now: due, holdsContext: false) { false }
        #expect(action == .timedOut(.heartbeat))
    }

    @Test("Pings of connections made together lie apart, in the last tenth of the interval")
    func spread() {
        let options = LifecycleWorld.options(heartbeat: Self.heartbeat)
        let times = (1...1_000).map {
            Liveness(id: $0, now: Self.start).pingInterval(options)
        }
        #expect(times.allSatisfy { 28_800 < $0 && $0 <= 32_000 })
        // Evenly: of ten parts of the tenth, none has twice its share.
        for part in 0..<10 {
            let from = 28_800 + UInt64(part) * 320
            #expect(times.count { from < $0 && $0 <= from + 320 } < 200)
        }
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 != $1 })
        var shortest = Heartbeat()
        shortest.interval = .milliseconds(1)
        let interval = Liveness(id: 5, now: Self.start)
            .pingInterval(LifecycleWorld.options(heartbeat: shortest))
        #expect(interval == 1)
    }

    @Test("Pings keep to an interval that is shorter than the time for a pong")
    func shortInterval() {
        var heartbeat = Heartbeat()
        heartbeat.interval = .milliseconds(3_200)
        heartbeat.timeout = .milliseconds(9_600)
        var lifecycle = LifecycleWorld.lifecycle(in: .open, heartbeat: heartbeat)
        let sent = Self.start + 3_200
        #expect(Self.tick(&lifecycle, at: sent) == .keep(.sendPing, next: sent + 3_200))
        _ = lifecycle.received(now: sent)
        guard case .keep(.sendPing, _) = Self.tick(&lifecycle, at: sent + 3_200) else {
            Issue.record("no ping")
            return
        }
        // Without a pong, the next check is at the end of its time.
        let late = sent + 6_400
        #expect(Self.tick(&lifecycle, at: late) == .keep([], next: sent + 3_200 + 9_600))
    }

    // MARK: - Idleness

    @Test("Messages either way count against idleness, other bytes don't")
    func idle() {
        var lifecycle = Self.lifecycle { $0.idleTimeout = .seconds(64) }
        _ = lifecycle.received(now: Self.start + 32_000)
        lifecycle.receivedMessage()
        _ = lifecycle.received(now: Self.start + 64_000)
        #expect(lifecycle.tick(now: Self.start + 95_999, holdsContext: false) { true } != .none)
        #expect(Self.tick(&lifecycle, at: Self.start + 96_000) == .timedOut(.idle))
        lifecycle.sentMessage(now: Self.start + 96_000)
        guard case .keep(_, let next?) = Self.tick(&lifecycle, at: Self.start + 96_000) else {
            Issue.record("not kept")
            return
        }
        #expect(next <= Self.start + 160_000)
        _ = lifecycle.received(now: Self.start + 159_999)
        #expect(Self.tick(&lifecycle, at: Self.start + 160_000) == .timedOut(.idle))
    }

    // MARK: - Lifetime

    @Test("A connection ends with its lifetime, however much it says")
    func lifetime() {
        var lifecycle = Self.lifecycle { $0.lifetime = .seconds(3_600) }
        let end = lifecycle.endOfLife(now: Self.start)!
        #expect((3_240_000...3_600_000).contains(end - Self.start))
        #expect(
            LifecycleWorld.lifecycle(in: .open)
                .nextDeadline(holdsContext: false, endOfLife: end, now: Self.start) == end)
        var now = Self.start
        while now + 20_000 < end {
            now += 20_000
            _ = lifecycle.received(now: now)
            lifecycle.receivedMessage()
            let action = lifecycle.tick(now: now, holdsContext: false, endOfLife: end) { true }
            guard case .keep([], let next?) = action else {
                Issue.record("not kept")
                return
            }
            #expect(next <= end)
        }
        let action = lifecycle.tick(now: end, holdsContext: false, endOfLife: end) { true }
        #expect(action == .timedOut(.lifetime))
        // Once it is closed for that, the time to answer the Close frame counts.
        _ = lifecycle.close(.serviceRestart, now: end)
        let late = lifecycle.tick(now: end + 5_000, holdsContext: false, endOfLife: end) { false }
        #expect(late == .timedOut(.close))
    }

    @Test("Connections made together end apart, in the last tenth of their lifetime")
    func lifetimes() {
        let options = LifecycleWorld.options { $0.lifetime = .seconds(1_000) }
        let ends = (1...1_000).map { id in
            ConnectionLifecycle(options: options, id: id, now: Self.start)
                .endOfLife(now: Self.start)! - Self.start
        }
        #expect(ends.allSatisfy { 900_000 < $0 && $0 <= 1_000_000 })
        for part in 0..<10 {
            let from = 900_000 + UInt64(part) * 10_000
            #expect(ends.count { from < $0 && $0 <= from + 10_000 } < 200)
        }
        let unlimited = ConnectionLifecycle(
            options: LifecycleWorld.options(), id: 1, now: Self.start)
        #expect(unlimited.endOfLife(now: Self.start) == nil)
        var client = ConnectionConfiguration()
        client.limits.lifetime = .seconds(1)
        #expect(SessionOptions(client, isServer: false).lifetime == 0)
    }

    @Test("A compression context is released once the connection is idle")
    func context() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        let idle = lifecycle.options.contextIdleTimeout
        #expect(lifecycle.nextDeadline(holdsContext: false, now: Self.start) == nil)
        let due = lifecycle.nextDeadline(holdsContext: true, now: Self.start)!
        #expect(due == Self.start + idle)
        let early = lifecycle.tick(now: due - 1, holdsContext: true) { false }
        #expect(early == .keep([], next: due))
        let action = lifecycle.tick(now: due, holdsContext: true) { false }
        #expect(action == .keep(.releaseContext, next: nil))
    }

    // MARK: - Messages and ends

    @Test("A message that takes too long to arrive is a fault, unless this side doesn't read")
    func message() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open) { $0.messageTimeout = .seconds(16) }
        let due = Self.start + 16_000
        #expect(lifecycle.beganAssembly(now: Self.start) == due)
        #expect(lifecycle.nextDeadline(holdsContext: false, now: Self.start) == due)
        lifecycle.pause(for: .outbox)
        #expect(Self.tick(&lifecycle, at: due) == .keep([], next: due + 16_000))
        _ = lifecycle.resume(from: .outbox)
        #expect(Self.tick(&lifecycle, at: due + 15_999) == .keep([], next: due + 16_000))
        _ = lifecycle.received(now: due + 16_000)
        #expect(Self.tick(&lifecycle, at: due + 16_000) == .timedOut(.message))
        lifecycle.endedAssembly()
        #expect(Self.tick(&lifecycle, at: due + 16_000) != .timedOut(.message))
    }

    @Test("A client that delivers while it closes waits a close timeout after the last byte")
    func delivering() {
        let timeout = LifecycleWorld.closeTimeout
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.pause(for: .application)
        _ = lifecycle.close(.normalClosure, delivering: true, now: Self.start)
        #expect(lifecycle.stage == .closing && lifecycle.deliversWhileClosing)
        // The application reads on when it likes, and the wait begins anew meanwhile.
        #expect(lifecycle.pauseReasons == .application)
        let due = Self.start + timeout
        #expect(Self.tick(&lifecycle, at: due, takesSome: false) == .wait(until: due + timeout))
        _ = lifecycle.resume(from: .application)
        _ = lifecycle.received(now: due + 32)
        #expect(
            Self.tick(&lifecycle, at: due + timeout, takesSome: false)
                == .wait(until: due + 32 + timeout))
        #expect(
            Self.tick(&lifecycle, at: due + 32 + timeout, takesSome: false) == .timedOut(.close))
        #expect(LifecycleWorld.lifecycle(in: .closing).deliversWhileClosing == false)
    }

    @Test("The peer is asked about only where that decides", arguments: [true, false])
    func asking(takesSome: Bool) {
        for stage in Lifecycle.Stage.allCases {
            var lifecycle = LifecycleWorld.lifecycle(in: stage)
            var asked = 0
            _ = lifecycle.tick(now: Self.start, holdsContext: false) {
                asked += 1
                return takesSome
            }
            #expect(asked == (stage == .closing || stage == .lingering ? 1 : 0))
        }
    }
}
