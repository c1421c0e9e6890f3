import Testing

@testable import RedisBroker

@Suite struct BackoffTests {
    private static let pauses: ClosedRange<Duration> = .milliseconds(100) ... .seconds(5)

    @Test("Delays double up to the maximum, shortened by up to a half")
    func doubled() {
        var backoff = Backoff(Self.pauses)
        for most: UInt64 in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000] {
            #expect((most / 2...most).contains(backoff.failed(now: 0)))
        }
        for _ in 0..<100 { #expect((2_500...5_000).contains(backoff.failed(now: 0))) }
    }

    @Test(
        "Only a connection that lasted resets the delays",
        arguments: [(0, false), (100, false), (4_999, false), (5_000, true), (1 << 40, true)])
    func lasted(time: UInt64, isShort: Bool) {
        var backoff = Backoff(Self.pauses)
        for _ in 0..<10 { _ = backoff.failed(now: 7) }
        backoff.succeeded(now: 10)
        #expect((backoff.failed(now: 10 + time) <= 100) == isShort)
        // Its duration doesn't count again.
        #expect((backoff.failed(now: 1 << 41) <= 200) == isShort)
    }

    @Test("Short connections in a row are followed by longer and longer delays")
    func flapping() {
        var backoff = Backoff(Self.pauses)
        var now: UInt64 = 0
        for _ in 0..<10 {
            backoff.succeeded(now: now)
            now += 10
            now += backoff.failed(now: now)
        }
        #expect(backoff.failures == 10 && backoff.failed(now: now) >= 2_500)
    }
}
