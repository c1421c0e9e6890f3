import Testing

@testable import TLSFilter

@Suite("TLS sessions")
struct TLSSessionTests {
    private func sessions(_ folder: TestFolder) throws -> Sessions {
        let certificate = try folder.certificate("localhost", "127.0.0.1")
        return try Sessions(
            try TLSServerContext(certificates: [certificate]), authority: "\(folder.path)/a.pem")
    }

    @Test("Both sides shake hands and exchange bytes", arguments: [Int.max, 1, 100])
    func exchange(readMax: Int) throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        both.serverEnd.readMax = readMax
        both.clientEnd.readMax = readMax
        #expect(both.shakeHands() == (1, 1))
        #expect(both.server.version == "TLSv1.3")
        #expect(both.client.write([1, 2, 3]) == 3)
        #expect(both.server.readAll().bytes == [1, 2, 3])
        #expect(both.server.write([4]) == 1)
        #expect(both.client.readAll() == ([4], TLSSession.wouldBlock))
    }

    @Test("A certificate for another host is refused by the client")
    func wrongHost() throws {
        let folder = try TestFolder()
        let certificate = try folder.certificate("example.org")
        let both = try Sessions(
            try TLSServerContext(certificates: [certificate]), authority: "\(folder.path)/a.pem")
        #expect(both.shakeHands().client == TLSSession.failed)
        #expect(both.client.failure?.contains("the certificate is refused") == true)
        #expect(both.client.isCertificateRefused)
    }

    @Test("A record waits while the wire has no room, and is sent by the same bytes later")
    func blockedWrites() throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        #expect(both.shakeHands() == (1, 1))
        _ = both.client.readAll()
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        both.serverEnd.roomMax = 5_000
        var sent = 0
        var received: [UInt8] = []
        while received.count < bytes.count {
            while sent < bytes.count {
                // At another place in memory each time.
                let count = both.server.write(Array(bytes[sent...]))
                guard count > 0 else {
                    #expect(count == TLSSession.wouldBlock)
                    #expect(both.server.waitsForOutput)
                    break
                }
                sent += count
            }
            let (piece, result) = both.client.readAll()
            try #require(result == TLSSession.wouldBlock)
            received += piece
        }
        #expect(received == bytes)
    }

    @Test("The end is known by close_notify, and a truncation by its absence")
    func ends() throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        #expect(both.shakeHands() == (1, 1))
        #expect(both.client.finish() == 0)
        #expect(both.server.readAll() == ([], 0))
        // The other direction is still open.
        #expect(both.server.write([1]) == 1)
        #expect(both.client.readAll() == ([1], TLSSession.wouldBlock))
        both.clientEnd.hasEnded = true
        #expect(both.client.readAll().result == TLSSession.truncated)
    }

    @Test("An error of the wire is returned as it is")
    func wireError() throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        #expect(both.shakeHands() == (1, 1))
        both.serverEnd.error = -110
        #expect(both.server.readAll() == ([], -110))
        #expect(both.server.failure != nil)
    }

    @Test("A session holds received bytes only until they are read")
    func buffers() throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        #expect(both.shakeHands() == (1, 1))
        #expect(both.client.write([UInt8](repeating: 1, count: 1_000)) == 1_000)
        let last = both.serverEnd.arrived.removeLast()
        #expect(both.server.readAll() == ([], TLSSession.wouldBlock))
        #expect(both.server.hasBuffered)
        both.serverEnd.arrived.append(last)
        #expect(both.server.readAll().bytes.count == 1_000)
        #expect(!both.server.hasBuffered)
    }

    @Test("A damaged record is an error")
    func damage() throws {
        let folder = try TestFolder()
        let both = try sessions(folder)
        #expect(both.shakeHands() == (1, 1))
        #expect(both.client.write([1, 2, 3]) == 3)
        both.serverEnd.arrived[both.serverEnd.arrived.count - 1] ^= 1
        #expect(both.server.readAll() == ([], TLSSession.failed))
        #expect(both.server.failure != nil)
        #expect(both.server.finish() == 0)
    }
}
