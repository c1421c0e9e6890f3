import Logging
import ServiceLifecycle
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct StopTests {
    @Test("A stop sends 1012 to all clients, spread over its time", arguments: [1, 2])
    func graceful(loops: Int) async throws {
        let clients = Locked<[RawClient]>([])
        let arrivals = Locked<[ContinuousClock.Instant]>([])
        let reading = Locked<[Task<Void, any Error>]>([])
        let start = Locked(ContinuousClock.now)
        try await withServer(.echo) {
            $0.loops = loops
            $0.drain.spread = .milliseconds(400)
            $0.drain.deadline = .seconds(120)
        } _: { server in
            for _ in 0..<10 {
                let client = try await server.upgraded()
                clients.withLock { $0.append(client) }
            }
            for client in clients.value {
                let task = Task {
                    #expect(try await client.readFrame() == .close(1012, "service restart"))
                    arrivals.withLock { $0.append(.now) }
                    try await client.send(.close(1012))
                    _ = try await client.readToEnd()
                    await client.close()
                }
                reading.withLock { $0.append(task) }
            }
            start.withLock { $0 = .now }
        }
        for task in reading.value { try await task.value }
        let times = arrivals.value.sorted()
        #expect(times.count == 10)
        // Never too early. How late it arrives depends on the machine.
        #expect(start.value.duration(to: times[9]) > .milliseconds(300))
    }

    @Test("As a service of a group it stops with the others, and drains its clients first")
    func group() async throws {
        var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
        configuration.limits = .patient
        configuration.drain.spread = .zero
        let addresses = Reports<[BoundAddress]>()
        let server = try Server(
            configuration: configuration, router: .echo, logger: .silent
        ) { addresses.add($0) }
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: server), .init(service: Waiting())], logger: .silent))
        let running = Task { try await group.run() }
        let client = try RawClient(to: try await addresses.next()[0])
        try await client.upgrade("/ws")
        try await client.send(.text("served"))
        #expect(try await client.readFrame() == .text("served"))
        await group.triggerGracefulShutdown()
        #expect(try await client.readFrame() == .close(1012, "service restart"))
        try await client.send(.close(1012))
        _ = try await client.readToEnd()
        await client.close()
        try await running.value
        #expect(server.ledger?.isZero == true)
    }

    /// A service that does nothing until it is told to end.
    private struct Waiting: Service {
        func run() async throws { try await gracefulShutdown() }
    }

    @Test("A client that doesn't leave is reset at the deadline, and nobody is admitted")
    func deadline() async throws {
        let recorder = Recorder()
        let stubborn = Locked<RawClient?>(nil)
        try await withServer(.single(recorder)) {
            $0.drain.deadline = .milliseconds(300)
        } _: { server in
            let client = try await server.upgraded()
            stubborn.withLock { $0 = client }
            server.server.stop()
            #expect(try await client.readFrame().closeCode == 1012)
            #expect(throws: RawClientError.self) { try server.raw() }
        }
        #expect(try await recorder.end() == .closed(1012, "service restart"))
        _ = try await stubborn.value?.readToEnd(orReset: true)
    }

    @Test("A request in progress is answered before its connection ends")
    func requestUnderWay() async throws {
        let (began, gate) = (Reports<Int>(), Reports<Int>())
        var router = Router()
        router.get("/") { _ in
            began.add(1)
            _ = try await gate.next()
            return .text("done")
        }
        try await withServer(router) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await began.next()
            server.server.stop()
            gate.add(1)
            #expect(try await client.readResponse().body == "done")
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("Cancelling resets connections at once, also during a drain", arguments: [false, true])
    func cancelled(isDraining: Bool) async throws {
        let recorder = Recorder()
        var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
        configuration.loops = 2
        configuration.drain.spread = .seconds(600)
        configuration.drain.deadline = .seconds(600)
        configuration.limits = .patient
        configuration.limits.closeTimeout = .seconds(600)
        let bound = Reports<[BoundAddress]>()
        let server = try Server(
            configuration: configuration, router: .single(recorder), logger: .silent
        ) { bound.add($0) }
        let running = Task { try await server.run() }
        let client = try RawClient(to: try await bound.next()[0])
        try await client.upgrade("/ws")
        _ = try await recorder.connections.next()
        if isDraining {
            server.stop()
            // The only connection of its loop is drained last. The end of the listener shows that
            // the drain has begun.
            try await within {
                while (try? RawClient(to: bound.all[0][0])) != nil { await Task.yield() }
            }
        }
        running.cancel()
        try await within { try await running.value }
        _ = try await client.readToEnd(orReset: true)
        _ = try await recorder.end()
        #expect(server.ledger?.isZero == true)
    }

    @Test("A stop right after the start ends the server like any other")
    func startAndStop() async throws {
        for _ in 0..<50 {
            try await within { try await withServer(.echo, configure: { $0.loops = 2 }) { _ in } }
        }
    }

    @Test("A server runs once: a second call throws, during the first run and after it")
    func onlyOnce() async throws {
        let stopped = try await withServer(.echo) { server in
            let error = await #expect(throws: ServerError.self) {
                try await within { try await server.server.run() }
            }
            #expect(error?.code == .alreadyStarted)
            // The first run continues.
            let client = try await server.upgraded()
            await client.close()
            return server.server
        }
        let error = await #expect(throws: ServerError.self) {
            try await within { try await stopped.run() }
        }
        #expect(error?.code == .alreadyStarted)
        #expect(error?.description.contains("make another one") == true)
    }

    @Test("A server that couldn't listen may be run again")
    func againAfterFailure() async throws {
        let addresses = Reports<[BoundAddress]>()
        let second = try await withServer(.echo) { server in
            let configuration = ServerConfiguration(
                address: .hostname("127.0.0.1", port: server.port))
            let second = try Server(
                configuration: configuration, router: .echo, logger: .silent
            ) { addresses.add($0) }
            await #expect(throws: ServerError.self) { try await second.run() }
            return second
        }
        let running = Task { try await second.run() }
        _ = try await addresses.next()
        second.stop()
        try await within { try await running.value }
    }

    @Test("An address in use is an error with its code, and leaves nothing open")
    func addressInUse() async throws {
        try await withServer(.echo) { server in
            var configuration = ServerConfiguration(
                address: .hostname("127.0.0.1", port: server.port))
            configuration.addresses.insert(.hostname("127.0.0.1", port: 0), at: 0)
            let second = try Server(configuration: configuration, router: .echo, logger: .silent)
            let error = await #expect(throws: ServerError.self) { try await second.run() }
            #expect(error?.code == .addressInUse)
        }
    }
}
