import CLibuv
import Glibc
import Testing
import WebSocketServer
import LiveTesting

@testable import UVTransport

@Suite struct ListenerTests {
    struct Accepted: Sendable, Hashable {
        let loop: Int
        let peer: SocketAddress
    }

    struct Listening: @unchecked Sendable {
        // Safety: only used on its loop.
        let listener: Listener
        func close() async throws { try await listener.loop.run { [self] in listener.close() } }
    }

    /// Listens on a loop. Connections are counted and closed.
    private func listen(
        _ loop: EventLoop, _ socket: ListeningSocket, _ accepted: Reports<Accepted>
    ) async throws -> Listening {
        try await loop.run {
            Listening(
                listener: try Listener(loop: loop, socket: socket) { descriptor, peer in
                    Glibc.close(descriptor)
                    accepted.add(Accepted(loop: loop.index, peer: peer))
                } onError: {
                    Issue.record($0)
                })
        }
    }

    @Test(
        "Accepts on IPv4 and IPv6, and knows the peer's address",
        arguments: [
            ("127.0.0.1", SocketAddress.Family.ipv4), ("::1", .ipv6), ("localhost", .ipv4),
        ])
    func internet(host: String, family: SocketAddress.Family) async throws {
        try await withLoops { group in
            let sockets = try ListeningSocket.listen(host: host, port: 0, count: 1, backlog: 8)
                .map { $0[0] }
            let accepted = Reports<Accepted>()
            for socket in sockets {
                let listening = try await listen(group.loops[0], socket, accepted)
                let peer = try RawClient(
                    to: .ip(host: socket.address.host, port: Int(socket.address.port)))
                #expect(try await accepted.next().peer.host == socket.address.host)
                #expect(try await peer.readToEnd().isEmpty)
                try await listening.close()
            }
            #expect(sockets.contains { $0.address.family == family })
            #expect(Set(sockets.map(\.address.port)).count == 1)
        }
    }

    @Test("Several loops share one port, and all of them accept")
    func sharedPort() async throws {
        try await withLoops(3) { group in
            let sockets = try ListeningSocket.listen(
                host: "127.0.0.1", port: 0, count: 3, backlog: 64)[0]
            #expect(Set(sockets.map(\.address.port)).count == 1)
            let accepted = Reports<Accepted>()
            var listening: [Listening] = []
            for (loop, socket) in zip(group.loops, sockets) {
                listening.append(try await listen(loop, socket, accepted))
            }
            let address = BoundAddress.ip(
                host: "127.0.0.1", port: Int(sockets[0].address.port))
            // The kernel distributes by a hash of the ports: after so many connections, that is
            // almost certain.
            for _ in 0..<200 {
                _ = try RawClient(to: address)
                _ = try await accepted.next()
            }
            #expect(Set(accepted.all.map(\.loop)) == [0, 1, 2])
            for listening in listening { try await listening.close() }
        }
    }

    @Test("A port in use is an error, although ports may be shared")
    func portInUse() throws {
        let first = try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: 1, backlog: 8)
        let port = Int(first[0][0].address.port)
        let error = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(host: "127.0.0.1", port: port, count: 2, backlog: 8)
        }
        #expect(error?.isAddressInUse == true)
        #expect("\(error!)".contains("127.0.0.1:\(port)"))
        first[0][0].close()
    }

    @Test("A stale socket file is replaced; one in use, or another file, is an error")
    func unixFiles() async throws {
        let path = temporaryPath()
        let stale = try ListeningSocket.listen(unix: path, backlog: 8)
        let inUse = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(unix: path, backlog: 8)
        }
        #expect(inUse?.isAddressInUse == true)
        stale.close()
        let socket = try ListeningSocket.listen(unix: path, backlog: 8)
        try await withLoops { group in
            let accepted = Reports<Accepted>()
            let listening = try await listen(group.loops[0], socket, accepted)
            let peer = try RawClient(to: .unix(path: path))
            #expect(try await accepted.next().peer == .unix)
            await peer.close()
            try await listening.close()
        }
        socket.removeFile()
        #expect(access(path, F_OK) != 0)
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        close(file)
        let exists = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(unix: path, backlog: 8)
        }
        #expect(exists?.code == UV_EEXIST.rawValue)
        unlink(path)
    }

    @Test("A closing socket keeps the file of a successor, or any other in its place")
    func successorsFile() throws {
        let path = temporaryPath()
        let old = try ListeningSocket.listen(unix: path, backlog: 8)
        unlink(path)
        let successor = try ListeningSocket.listen(unix: path, backlog: 8)
        old.removeFile()
        old.close()
        let refused = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(unix: path, backlog: 8)
        }
        #expect(refused?.isAddressInUse == true)
        unlink(path)
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        successor.removeFile()
        #expect(access(path, F_OK) == 0)
        unlink(path)
        successor.removeFile()
        successor.close()
    }

    @Test("A socket with a full queue, or of another kind, is in use and not stale")
    func busySocket() throws {
        let path = temporaryPath()
        let busy = try ListeningSocket.listen(unix: path, backlog: 0)
        let clients = (0..<8).map { _ in
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        }
        let address = try RawAddress.unix(path)
        let outcomes = clients.map { client in
            unsafe address.withSockaddr { unsafe Glibc.connect(client, $0, address.length) } == 0
                ? 0 : errno
        }
        #expect(outcomes.contains(EAGAIN))
        let inUse = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(unix: path, backlog: 8)
        }
        #expect(inUse?.isAddressInUse == true)
        #expect(access(path, F_OK) == 0)
        for client in clients { close(client) }
        busy.removeFile()
        busy.close()
        let datagrams = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        let isBound =
            unsafe address.withSockaddr { unsafe bind(datagrams, $0, address.length) } == 0
        #expect(isBound)
        let otherKind = #expect(throws: TransportError.self) {
            try ListeningSocket.listen(unix: path, backlog: 8)
        }
        #expect(otherKind?.isAddressInUse == true)
        close(datagrams)
        unlink(path)
    }

    /// In a separate process, which has few descriptors and no other work, so that the wait for
    /// another process is short.
    @Test("A listener waits while another process checks whether the file is stale")
    func listenersAtOnce() async {
        await #expect(processExitsWith: .success) {
            let folder = temporaryPath()
            mkdir(folder, 0o700)
            let path = folder + "/socket"
            try ListeningSocket.listen(unix: path, backlog: 8).close()
            // The other process has found the stale file, and replaces it.
            let other = open(folder, O_RDONLY | O_DIRECTORY)
            precondition(flock(other, LOCK_EX) == 0)
            let outcome = Reports<TransportError?>()
            Task {
                do throws(TransportError) {
                    try ListeningSocket.listen(unix: path, backlog: 8).close()
                    outcome.add(nil)
                } catch {
                    outcome.add(error)
                }
            }
            while openDescriptors(of: folder) < 2, outcome.all.isEmpty { await Task.yield() }
            unlink(path)
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let address = try RawAddress.unix(path)
            let isBound =
                unsafe address.withSockaddr { unsafe bind(descriptor, $0, address.length) } == 0
            precondition(isBound && Glibc.listen(descriptor, 8) == 0)
            close(other)
            let error = try await outcome.next()
            unlink(path)
            rmdir(folder)
            precondition(error?.isAddressInUse == true)
        }
    }

    @Test("Connects to a listener, or reports why it can't", arguments: Kind.allCases)
    func connecting(kind: Kind) async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let socket: ListeningSocket
            let address: ConnectAddress
            switch kind {
            case .tcp:
                socket = try ListeningSocket.listen(
                    host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
                address = try ConnectAddress.resolve(
                    host: "127.0.0.1", port: Int(socket.address.port))[0]
            case .unix:
                let path = temporaryPath()
                socket = try ListeningSocket.listen(unix: path, backlog: 8)
                address = try ConnectAddress.unix(path: path)
            }
            let accepted = Reports<Accepted>()
            let listening = try await listen(loop, socket, accepted)
            let failure = try await connect(loop, address)
            #expect(failure == nil)
            _ = try await accepted.next()
            try await listening.close()
            socket.removeFile()
            try await within { while try await loop.run({ loop.openHandles }) > 0 {} }
            let error = try await connect(loop, address)
            #expect(error?.code == (kind == .tcp ? UV_ECONNREFUSED : UV_ENOENT).rawValue)
        }
    }

    /// Connects a stream and closes it. Returns the error, if any.
    private func connect(
        _ loop: EventLoop, _ address: ConnectAddress
    ) async throws -> TransportError? {
        let outcome = Reports<TransportError?>()
        let stream = try await loop.run {
            let stream = RecordingStream(loop: loop)
            do throws(TransportError) {
                _ = try stream.connect(to: address) { outcome.add($0) }
            } catch {
                outcome.add(error)
            }
            return stream
        }
        let error = try await outcome.next()
        try await loop.run { stream.closeHandle() }
        try await stream.events.next { $0 == .closed }
        return error
    }

    @Test("A connection attempt can be given up")
    func cancelledConnect() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            // An address for documentation: nothing answers, or there is no route to it.
            let address = try ConnectAddress.resolve(host: "192.0.2.1", port: 9)[0]
            let outcome = Reports<TransportError?>()
            let stream = try await loop.run {
                let stream = RecordingStream(loop: loop)
                do throws(TransportError) {
                    let attempt = try stream.connect(to: address) { outcome.add($0) }
                    attempt.cancel()
                    attempt.cancel()
                } catch {
                    outcome.add(error)
                }
                return stream
            }
            #expect(try await outcome.next() != nil)
            try await stream.events.next { $0 == .closed }
            #expect(outcome.all.count == 1)
        }
    }

    /// In a separate process, because the limit of descriptors applies to the whole process.
    @Test("Pauses when descriptors run out, and continues when some are available again")
    func descriptorsExhausted() async {
        await #expect(processExitsWith: .success) {
            let group = try EventLoopGroup(count: 1)
            let loop = group.loops[0]
            let socket = try ListeningSocket.listen(
                host: "127.0.0.1", port: 0, count: 1, backlog: 64)[0][0]
            let (accepted, errors) = (Reports<Int32>(), Reports<TransportError>())
            let listening = try await loop.run {
                Listening(
                    listener: try Listener(loop: loop, socket: socket) { descriptor, _ in
                        accepted.add(descriptor)
                    } onError: {
                        errors.add($0)
                    })
            }
            let address = BoundAddress.ip(host: "127.0.0.1", port: Int(socket.address.port))
            // The client's own descriptors are created before they run out.
            let early = try RawClient(to: address)
            Glibc.close(try await accepted.next())
            _ = try await early.readToEnd()
            let hoard = DescriptorHoard(connectedTo: socket.address.port)
            let first = try await errors.next()
            precondition(first.code == UV_EMFILE.rawValue)
            // There are still none: it tries again only after its pause.
            let before = ContinuousClock.now
            _ = try await errors.next()
            precondition(ContinuousClock.now - before > .milliseconds(50))
            precondition(accepted.all.count == 1)
            hoard.release()
            let late = try await accepted.next()
            Glibc.close(late)
            hoard.closeClient()
            try await listening.close()
            precondition(group.shutdown() == 0)
        }
    }
}

/// Returns how many descriptors of this process refer to a file or folder.
private func openDescriptors(of path: String) -> Int {
    var wanted = stat()
    guard unsafe lstat(path, &wanted) == 0 else { return 0 }
    return (0..<Int32(1_024)).count { descriptor in
        var found = stat()
        guard unsafe fstat(descriptor, &found) == 0 else { return false }
        return found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino
    }
}
