import Glibc
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The addresses of a host are tried side by side (RFC 8305).
@Suite("Several addresses") struct AddressRaceTests {
    /// A listening socket that answers no further connection, because its queue is full.
    private struct BlackHole: ~Copyable {
        private let descriptor: Int32
        private let waiting: [Int32]
        let port: Int

        init() throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let own = descriptor
            withUnsafeMutableBytes(of: &address) { bytes in
                let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                bind(own, pointer, length)
                listen(own, 0)
                getsockname(own, pointer, &length)
            }
            port = Int(UInt16(bigEndian: address.sin_port))
            // A queue of length 0 has room for one connection; the kernel drops the next SYN.
            waiting = (0..<3).map { _ in
                let client = socket(
                    AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
                withUnsafeBytes(of: address) {
                    _ = Glibc.connect(
                        client, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), length)
                }
                return client
            }
        }

        deinit {
            for client in waiting { Glibc.close(client) }
            Glibc.close(descriptor)
        }
    }

    private static func address(_ port: Int) throws -> ConnectAddress {
        try ConnectAddress.resolve(host: "127.0.0.1", port: port)[0]
    }

    private static func connect(
        _ client: WebSocketClient, _ addresses: [ConnectAddress], limits: Limits = .patient
    ) async throws(ClientError) -> Connection {
        try await client.open(
            "ws://example.invalid/ws", [], [:], { $0.limits = limits }, Recorder(),
            addresses: addresses
        ).0
    }

    @Test("An address that doesn't answer delays the next one, and no more")
    func blackHole() async throws {
        let hole = try BlackHole()
        let port = hole.port
        try await withServer(.echo) { server in
            try await withClient { client in
                let addresses = [try Self.address(port), try Self.address(server.port)]
                _ = try await within(.seconds(30)) { try await Self.connect(client, addresses) }
            }
        }
        _ = hole.port
    }

    @Test("An address that refuses is followed by the next one at once")
    func refusal() async throws {
        let socket = try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: 1, backlog: 8)
        let closed = try Self.address(Int(socket[0][0].address.port))
        socket[0][0].close()
        try await withServer(.echo) { server in
            try await withClient { client in
                let open = try Self.address(server.port)
                _ = try await Self.connect(client, [closed, closed, open])
                let error = await #expect(throws: ClientError.self) {
                    try await Self.connect(client, [closed, closed])
                }
                #expect(error?.code == .cannotConnect)
            }
        }
    }

    @Test("The first connection gets the only request")
    func oneRequest() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            try await withClient { client in
                let address = try Self.address(server.port)
                for _ in 0..<10 {
                    _ = try await Self.connect(client, [address, address, address])
                }
            }
            #expect(await server.server.counters().opened == 10)
        }
    }

    @Test("All attempts together end at the timeout")
    func timeout() async throws {
        let hole = try BlackHole()
        let port = hole.port
        var limits = Limits.patient
        limits.handshakeTimeout = .milliseconds(400)
        let short = limits
        try await withClient { client in
            let address = try Self.address(port)
            let error = await #expect(throws: ClientError.self) {
                try await Self.connect(client, [address, address, address], limits: short)
            }
            #expect(error?.code == .timedOut)
        }
        _ = hole.port
    }

    @Test("A lookup that takes too long ends at the timeout, or when the task is cancelled")
    func lookup() async throws {
        let place = WebSocketURL.Place.host("example.invalid", port: 80)
        @Sendable func lookUp(within timeout: Duration) async -> ClientError.Code? {
            do throws(ClientError) {
                _ = try await place.addresses(within: timeout) { _ in
                    for await _ in AsyncStream<Void>.makeStream().stream {}
                    return []
                }
                return nil
            } catch { return error.code }
        }
        #expect(await lookUp(within: .milliseconds(10)) == .timedOut)
        let waiting = Task { await lookUp(within: .seconds(3_600)) }
        waiting.cancel()
        #expect(try await within { await waiting.value } == .cancelled)
    }

    @Test(
        "Families alternate, beginning with the preferred one",
        arguments: [
            ([], []), ([60, 61], [60, 61]), ([60, 61, 62, 40, 41], [60, 40, 61, 41, 62]),
            ([40, 60, 61], [40, 60, 61]), ([40, 41, 60, 61, 62], [40, 60, 41, 61, 62]),
        ])
    func order(addresses: [Int], expected: [Int]) {
        #expect(AddressRace.alternating(addresses) { $0 / 10 } == expected)
    }
}
