import Testing
import WebSocketProtocol

@testable import WebSocketServer

/// Sequences of inputs around the closing handshake and pauses.
@Suite("Connection lifecycle: closing and pausing") struct LifecycleClosingTests {
    @Test("The code that is reported is the peer's, else ours, else 1006")
    func reportedCode() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        #expect(lifecycle.reportEnd() == .abnormalClosure)
        #expect(lifecycle.reportEnd() == nil)
        lifecycle = LifecycleWorld.lifecycle(in: .open)
        _ = lifecycle.close(4_001, now: LifecycleWorld.start)
        #expect(lifecycle.reportEnd() == 4_001)
        lifecycle = LifecycleWorld.lifecycle(in: .open)
        _ = lifecycle.close(4_001, now: LifecycleWorld.start)
        _ = lifecycle.peerClosed(4_002, now: LifecycleWorld.start)
        #expect(lifecycle.reportEnd() == 4_002)
    }

    @Test("A close ends every pause, so that the peer's Close frame is seen")
    func closeWhilePaused() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.pause(for: [.application, .held])
        #expect(!lifecycle.wantsReading && lifecycle.mustHold)
        _ = lifecycle.close(.normalClosure, now: LifecycleWorld.start)
        #expect(lifecycle.wantsReading && !lifecycle.mustHold)
    }

    @Test("A lingering connection reads to see the end, whatever it was paused for")
    func lingerWhilePaused() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.pause(for: .application)
        _ = lifecycle.linger(now: LifecycleWorld.start)
        #expect(lifecycle.wantsReading == true)
        _ = lifecycle.terminate()
        #expect(lifecycle.wantsReading == false)
    }

    @Test("What was read is parsed when held bytes are all that is left to wait for")
    func resumption() {
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.pause(for: .held)
        lifecycle.pause(for: .outbox)
        lifecycle.pause(for: .application)
        #expect(lifecycle.resume(from: .outbox) == false)
        #expect(lifecycle.resume(from: .application) == true)
        #expect(lifecycle.resume(from: .held) == false)
        #expect(lifecycle.wantsReading == true)
    }

    @Test("The answer to a Close frame waits for a task, no longer than the close timeout")
    func task() {
        let (start, due) = (
            LifecycleWorld.start, LifecycleWorld.start + LifecycleWorld.closeTimeout
        )
        var lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.taskBegan(now: start)
        #expect(lifecycle.peerClosed(4_000, now: due - 1) == .awaitTask(until: due))
        #expect(lifecycle.stage == .open && lifecycle.pauseReasons == .peerClosed)
        // A second Close frame doesn't count, and the application closes by the answer.
        #expect(lifecycle.taskRested() == true)
        #expect(lifecycle.taskRested() == false)
        #expect(
            lifecycle.close(4_001, now: start)
                == .end(.linger(sending: 4_000, deadline: due)))

        lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.taskBegan(now: start)
        #expect(
            lifecycle.peerClosed(4_000, now: due)
                == .end(
                    .linger(sending: 4_000, deadline: due + LifecycleWorld.closeTimeout)))

        // A task at rest isn't waited for, nor is one whose side has closed already.
        lifecycle = LifecycleWorld.lifecycle(in: .open)
        lifecycle.taskBegan(now: start)
        #expect(lifecycle.taskRested() == false)
        #expect(
            lifecycle.peerClosed(4_000, now: start)
                == .end(.linger(sending: 4_000, deadline: due)))
        lifecycle = LifecycleWorld.lifecycle(in: .closing)
        lifecycle.taskBegan(now: start)
        #expect(
            lifecycle.peerClosed(4_000, now: start) == .end(.linger(sending: nil, deadline: due)))
    }
}
