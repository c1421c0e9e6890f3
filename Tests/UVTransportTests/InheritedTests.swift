import CLibuv
import Glibc
import LiveTesting
import Testing
import WebSocketServer

@testable import UVTransport

/// Descriptors that other processes have made, and their way between processes.
@Suite("Inherited sockets") struct InheritedTests {
    private func listening(count: Int = 1) throws -> [ListeningSocket] {
        try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: count, backlog: 8)[0]
    }

    @Test("A listening socket of each family is adopted with its address")
    func families() throws {
        let ip = try listening()[0]
        let adopted = try ListeningSocket.inherited(ip.descriptor, removesFile: false)
        #expect(adopted.address == ip.address && adopted.path == nil && adopted.isInherited)
        adopted.close()

        let path = temporaryPath()
        for removesFile in [false, true] {
            let unix = try ListeningSocket.listen(unix: path, backlog: 8)
            let adopted = try ListeningSocket.inherited(unix.descriptor, removesFile: removesFile)
            #expect(adopted.address == .unix && adopted.path == path)
            adopted.removeFile()
            #expect((access(path, F_OK) != 0) == removesFile)
            adopted.close()
        }
        unlink(path)
    }

    @Test("Other descriptors are errors that name the descriptor")
    func others() throws {
        let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        let file = open("/dev/null", O_RDONLY)
        for descriptor in [stream, datagrams, file] {
            let error = #expect(throws: TransportError.self) {
                try ListeningSocket.inherited(descriptor, removesFile: false)
            }
            #expect("\(error!)".contains("inherited descriptor \(descriptor)"))
            close(descriptor)
        }
    }

    @Test("Connections in the queue survive the end of a listener that was duplicated")
    func queue() async throws {
        try await withLoops { group in
            let socket = try listening()[0]
            let address = BoundAddress.ip(host: "127.0.0.1", port: Int(socket.address.port))
            let kept = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 3)
            // They are in the queue: nobody accepts.
            let clients = try (0..<4).map { _ in try RawClient(to: address) }
            socket.close()
            let accepted = Reports<Int>()
            let loop = group.loops[0]
            let adopted = try ListeningSocket.inherited(kept, removesFile: false)
            let listener = try await loop.run {
                Held(
                    try Listener(loop: loop, socket: adopted) { descriptor, _ in
                        Glibc.close(descriptor)
                        accepted.add(1)
                    } onError: {
                        Issue.record($0)
                    })
            }
            for client in clients {
                _ = try await accepted.next()
                #expect(try await client.readToEnd().isEmpty)
            }
            let copy = try await loop.run { try listener.value.duplicate() }
            #expect(copy != kept)
            close(copy)
            try await loop.run { listener.value.close() }
        }
    }

    private struct Held: @unchecked Sendable {
        // Safety: only used on its loop.
        let value: Listener
        init(_ value: Listener) { self.value = value }
    }

    // MARK: - Between processes

    private func pair() throws -> (DescriptorSocket, DescriptorSocket) {
        var ends: [Int32] = [0, 0]
        // A process that another test starts must not keep an end open.
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let code = socketpair(AF_UNIX, type, 0, &ends)
        try #require(code == 0)
        return (DescriptorSocket(owning: ends[0]), DescriptorSocket(owning: ends[1]))
    }

    @Test("Bytes and descriptors arrive in order, each descriptor with its own byte")
    func passing() throws {
        let (one, other) = try pair()
        let sockets = try listening(count: 3)
        try one.send([1, 2, 3])
        for socket in sockets {
            try one.send(descriptor: socket.descriptor)
            socket.close()
        }
        try one.send([4])
        #expect(try other.receive(3) == [1, 2, 3])
        for socket in sockets {
            let received = try other.receiveDescriptor()
            let adopted = try ListeningSocket.inherited(received, removesFile: false)
            #expect(adopted.address == socket.address)
            #expect(fcntl(received, F_GETFD) & FD_CLOEXEC != 0)
            adopted.close()
        }
        #expect(try other.receive(1) == [4])
        #expect(one.peer?.user == geteuid() && one.peer?.process == getpid())
    }

    @Test("A byte without a descriptor, silence and the end are errors")
    func errors() throws {
        var (one, other): (DescriptorSocket?, DescriptorSocket) = try pair()
        try one?.send([1])
        #expect(throws: TransportError.self) { try other.receiveDescriptor() }
        other.setTimeout(seconds: 1)
        let late = #expect(throws: TransportError.self) { try other.receive(1) }
        #expect(late?.code == UV_EAGAIN.rawValue)
        one = nil
        let end = #expect(throws: TransportError.self) { try other.receive(1) }
        #expect(end?.isEndOfFile == true)
        #expect(try DescriptorSocket.connect(to: temporaryPath()) == nil)
    }
}
