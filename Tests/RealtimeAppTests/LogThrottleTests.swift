import Testing

@testable import RealtimeApp

@Suite struct LogThrottleTests {
    @Test("the first is logged at once, then one every so often, with how many were left out")
    func throttled() {
        var throttle = LogThrottle(interval: 10)
        let times = [100, 100, 101, 109.9, 110, 110.1, 119, 120, 200, 200, 300]
        let admitted = times.map { throttle.admit(at: $0) }
        #expect(admitted == [0, nil, nil, nil, 3, nil, nil, 2, 0, nil, 1])
    }
}
