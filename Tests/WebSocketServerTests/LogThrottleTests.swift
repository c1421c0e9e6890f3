import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Warnings that may occur many times a second") struct LogThrottleTests {
    @Test(
        "The first is logged at once, then one every ten seconds, with the number of omitted ones"
    )
    func throttled() {
        let log = LogRecorder()
        let throttle = LogThrottle("it happened", logger: log.logger)
        let start = ContinuousClock.now
        let times = [100, 100, 101, 109.9, 110, 110.1, 119, 120, 200, 200, 300]
        for time in times { throttle.log(at: start + .seconds(time)) }
        let expected = ["[:]", #"["others": 3]"#, #"["others": 2]"#, "[:]", #"["others": 1]"#]
        #expect(log.lines(with: "warning") == expected.map { "warning it happened \($0)" })
    }

    @Test("Each kind is limited separately")
    func kinds() {
        let log = LogRecorder()
        let throttle = LogThrottle("it happened", logger: log.logger)
        let now = ContinuousClock.now
        for kind in [1, 2, 1, 2, 3] as [Int32] { throttle.log(kind: kind, at: now) }
        #expect(log.lines(with: "warning").count == 3)
        throttle.log(kind: 1, at: now + .seconds(10))
        #expect(log.lines(with: #""others": 1"#).count == 1)
    }

    /// In a separate process, because the limit of descriptors applies to the whole process.
    @Test("Missing descriptors are a single warning, not one for each attempt to accept")
    func descriptorsExhausted() async {
        await #expect(processExitsWith: .success) {
            let log = LogRecorder()
            let began = ContinuousClock.now
            try await withServer(.echo, logger: log.logger) { server in
                let hoard = DescriptorHoard(connectedTo: UInt16(server.port))
                try await within {
                    while await server.server.counters().acceptErrors < 3 { await Task.yield() }
                }
                // One more each ten seconds, which a busy machine may need.
                let lines = log.lines(with: "warning cannot accept connections").count
                let spans = Int((began.duration(to: .now) / .seconds(10)).rounded(.down))
                precondition((1...1 + spans).contains(lines))
                hoard.release()
                hoard.closeClient()
            }
        }
    }
}
