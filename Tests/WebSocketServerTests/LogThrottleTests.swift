import Glibc
import Testing
import WebSocketTesting

@testable import WebSocketServer

@Suite("Warnings that may come many times a second") struct LogThrottleTests {
    @Test("the first is logged at once, then one every ten seconds, with how many were left out")
    func throttled() {
        let log = LogRecorder()
        let throttle = LogThrottle("it happened", logger: log.logger)
        let start = ContinuousClock.now
        let times = [100, 100, 101, 109.9, 110, 110.1, 119, 120, 200, 200, 300]
        for time in times { throttle.warn(at: start + .seconds(time)) }
        let expected = ["[:]", #"["others": 3]"#, #"["others": 2]"#, "[:]", #"["others": 1]"#]
        #expect(log.lines(with: "") == expected.map { "warning it happened \($0)" })
    }

    @Test("kinds don't hold each other back")
    func kinds() {
        let log = LogRecorder()
        let throttle = LogThrottle("it happened", logger: log.logger)
        let now = ContinuousClock.now
        for kind in [1, 2, 1, 2, 3] as [Int32] { throttle.warn(kind: kind, at: now) }
        #expect(log.lines(with: "").count == 3)
        throttle.warn(kind: 1, at: now + .seconds(10))
        #expect(log.lines(with: #""others": 1"#).count == 1)
    }

    /// In a process of its own, since descriptors are the process's.
    @Test("descriptors that run out are warned of once, not with each attempt to accept")
    func descriptorsExhausted() async {
        await #expect(processExitsWith: .success) {
            let log = LogRecorder()
            try await withServer(.echo, logger: log.logger) { server in
                let client = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                limit.rlim_cur = 256
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                var hoard: [Int32] = []
                while case let copy = dup(client), copy >= 0 { hoard.append(copy) }
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = in_port_t(server.port).bigEndian
                name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
                let connected = withUnsafeBytes(of: &name) {
                    Glibc.connect(
                        client, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                        socklen_t($0.count))
                }
                precondition(connected == 0)
                try await within {
                    while await server.server.counters().acceptErrors < 3 { await Task.yield() }
                }
                precondition(log.lines(with: "cannot accept connections").count == 1)
                for descriptor in hoard { Glibc.close(descriptor) }
                Glibc.close(client)
            }
        }
    }
}
