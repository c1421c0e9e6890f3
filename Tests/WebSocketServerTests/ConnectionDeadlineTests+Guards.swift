import Testing
import WebSocketProtocol

@testable import WebSocketServer

/// Deadlines of rates and of authentication.
extension ConnectionDeadlineTests {
    @Test("A peer above its rate is read from again when its debt is paid")
    func rate() {
        var lifecycle = Self.lifecycle { $0.messageRateMax = 1 }
        // The burst of one, and 120 more: two minutes' rest.
        #expect(lifecycle.charge(messages: 1, bytes: 0, now: Self.start) == .none)
        #expect(
            lifecycle.charge(messages: 120, bytes: 0, now: Self.start) == .pause(.messageRate))
        #expect(lifecycle.pauseReasons == .rate && !lifecycle.wantsReading)
        for second in stride(from: 30_000 as UInt64, to: 120_000, by: 10_000) {
            guard case .keep([], let next?) = Self.tick(&lifecycle, at: Self.start + second)
            else {
                Issue.record("not kept")
                return
            }
            #expect(next <= Self.start + 120_000)
        }
        guard case .keep(.resumeReading, _) = Self.tick(&lifecycle, at: Self.start + 120_000)
        else {
            Issue.record("still paused")
            return
        }
        #expect(lifecycle.wantsReading == true)
        #expect(Self.tick(&lifecycle, at: Self.start + 120_001) != .keep(.resumeReading, next: nil))
    }

    @Test("A peer above its rate is disconnected, if that is the policy", arguments: [false, true])
    func rateFault(byBytes: Bool) {
        var lifecycle = Self.lifecycle {
            $0.ratePolicy = .close
            $0.messageRateMax = 3
            $0.byteRateMax = .bytes(1_000)
        }
        #expect(lifecycle.charge(messages: 3, bytes: 1_000, now: Self.start) == .none)
        let action = lifecycle.charge(
            messages: byBytes ? 0 : 1, bytes: byBytes ? 1 : 0, now: Self.start)
        let limit: SessionLimit = byBytes ? .byteRate : .messageRate
        let reason = byBytes ? "over the byte rate" : "over the message rate"
        #expect(action == .fail(SessionFault(.policyViolation, reason, limit: limit)))
        #expect(lifecycle.pauseReasons.isEmpty == true)
    }

    @Test("A peer has its time to authenticate, and then the limits of all")
    func authentication() {
        var lifecycle = Self.lifecycle(awaitsAuthentication: true) {
            $0.authenticationTimeout = .seconds(16)
        }
        let limits = lifecycle.guards!.limits!
        #expect(limits.messageSizeMax == 16 << 10)
        let due = Self.start + 16_000
        #expect(lifecycle.nextDeadline(holdsContext: false, now: Self.start) == due)
        #expect(Self.tick(&lifecycle, at: due - 1) == .keep([], next: due))
        #expect(lifecycle.mayAwaitAuthentication == true)
        lifecycle.markAuthenticated()
        // The session keeps the same object.
        #expect(limits.messageSizeMax == 1 << 20)
        #expect(lifecycle.guards == nil && !lifecycle.mayAwaitAuthentication)
        #expect(Self.tick(&lifecycle, at: due) != .timedOut(.authentication))

        lifecycle = Self.lifecycle(awaitsAuthentication: true) {
            $0.authenticationTimeout = .seconds(16)
        }
        #expect(Self.tick(&lifecycle, at: due) == .timedOut(.authentication))
    }

    @Test("Guards that hold bytes, messages or rates stay when the peer has authenticated")
    func guardsStay() {
        var lifecycle = Self.lifecycle(awaitsAuthentication: true) { $0.messageRateMax = 1 }
        lifecycle.markAuthenticated()
        #expect(lifecycle.guards?.hasRates == true)
        lifecycle = Self.lifecycle(awaitsAuthentication: true)
        var bytes: [UInt8] = [1]
        bytes.withUnsafeMutableBytes { lifecycle.guards!.hold($0) }
        lifecycle.markAuthenticated()
        #expect(lifecycle.guards?.takeUnparsed() == [1])
        #expect(lifecycle.guards?.takeUnparsed() == nil)
        lifecycle = Self.lifecycle(awaitsAuthentication: true)
        lifecycle.guards!.queuedSize = 1
        lifecycle.markAuthenticated()
        #expect(lifecycle.guards?.queuedSize == 1)
    }

    @Test("Guards for which nothing is due have no deadline")
    func noDeadline() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open) { $0.messageRateMax = 1 }
        #expect(lifecycle.nextDeadline(holdsContext: false, now: Self.start) == nil)
        #expect(Self.tick(&lifecycle, at: Self.start) == .keep([], next: nil))
    }
}
