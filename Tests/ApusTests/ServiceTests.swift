import Glibc
import LiveTesting
import Testing
import UVTransport
import WebSocketServer

@testable import apus

/// The environment of a service manager, and the messages of a hand-over.
@Suite("Service managers and successors") struct ServiceTests {
    @Test("Sockets are counted from descriptor 3, and meant for one process")
    func activation() throws {
        let given = try ActivatedSockets.find(
            in: ["LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b"], process: 7)
        #expect(given?.descriptors == [3, 4] && given?.names == "a:b")
        #expect(
            given?.addresses == [.inherited(descriptor: 3), .inherited(descriptor: 4)])
        let others: [[String: String]] = [
            [:], ["LISTEN_FDS": "2"], ["LISTEN_PID": "7"], ["LISTEN_FDS": "0", "LISTEN_PID": "7"],
            ["LISTEN_FDS": "2", "LISTEN_PID": "8"], ["LISTEN_FDS": "x", "LISTEN_PID": "8"],
        ]
        for environment in others {
            #expect(try ActivatedSockets.find(in: environment, process: 7) == nil)
        }
        for count in ["", "x", "-1", "5000"] {
            let error = #expect(throws: ActivationError.self) {
                try ActivatedSockets.find(
                    in: ["LISTEN_FDS": count, "LISTEN_PID": "7"], process: 7)
            }
            #expect(error?.description.contains("LISTEN_FDS is \"\(count)\"") == true)
        }
    }

    @Test("The watchdog is for one process, and only if it has an interval")
    func watchdog() {
        func interval(_ more: [String: String]) -> Duration? {
            ServiceNotifier(
                environment: ["NOTIFY_SOCKET": "@apus"].merging(more) { $1 }, process: 7)?
                .watchdogInterval
        }
        #expect(interval([:]) == nil)
        #expect(interval(["WATCHDOG_USEC": "3000000"]) == .seconds(3))
        #expect(interval(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"]) == .seconds(3))
        #expect(interval(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "0"]) == nil && interval(["WATCHDOG_USEC": "x"]) == nil)
        for address in ["", "relative", "vsock:1:2", "/" + String(repeating: "x", count: 200)] {
            #expect(ServiceNotifier(environment: ["NOTIFY_SOCKET": address]) == nil)
        }
        #expect(ServiceNotifier(environment: [:]) == nil)
    }

    @Test("A reload is reported with the time of the monotonic clock, and readiness follows")
    func reload() throws {
        let path = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock"
        let receiving = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(receiving)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafeBytes(of: address) {
            bind(
                receiving, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        try #require(bound == 0)
        let notifier = try #require(ServiceNotifier(environment: ["NOTIFY_SOCKET": path]))
        let before = monotonicMicroseconds()
        notifier.reloading()
        notifier.ready(status: "Connections: 3")
        func next() -> [String] {
            var bytes = [UInt8](repeating: 0, count: 1_024)
            let count = recv(receiving, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                .split(separator: "\n").map(String.init)
        }
        let reloading = next()
        #expect(reloading.first == "RELOADING=1")
        let time = try #require(
            reloading.last?.split(separator: "=").last.flatMap { Int64($0) })
        #expect((before...monotonicMicroseconds()).contains(time))
        #expect(next() == ["READY=1", "STATUS=Connections: 3"])
    }

    private func monotonicMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
