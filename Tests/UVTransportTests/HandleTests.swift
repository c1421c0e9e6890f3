import CLibuv
import Glibc
import Testing
import LiveTesting

@testable import UVTransport

/// `withLoops` makes sure that each handle counts as closed in the end.
@Suite struct HandleTests {
    /// A handle that reports when it is closed, and when it is freed.
    private final class Probe: Handle {
        let events: Reports<String>

        init(loop: EventLoop, events: Reports<String>) {
            self.events = events
            super.init(loop: loop)
        }

        override func closed() { events.add("closed with \(loop.openHandles) open") }
        deinit { events.add("freed") }
    }

    @Test("An open handle keeps itself alive, and counts until libuv has closed it")
    func lifetime() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let events = Reports<String>()
            try await loop.run {
                let probe = Probe(loop: loop, events: events)
                #expect(probe.open { uv_idle_init(loop.uv, $0) } == 0)
                #expect(loop.openHandles == 1 && !probe.isClosing)
                nonisolated(unsafe) let uv = probe.opened(as: uv_idle_t.self)!
                // Nothing but libuv refers to it from here on.
                loop.executeLater {
                    let probe = Probe.of(uv.pointee.data)
                    probe.startClosing()
                    probe.startClosing()
                    #expect(probe.isClosing && loop.openHandles == 1)
                    #expect(events.all.isEmpty)
                }
            }
            #expect(try await events.next() == "closed with 0 open")
            #expect(try await events.next() == "freed")
        }
    }

    @Test("A handle that libuv refuses is closed like any other")
    func refused() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let events = Reports<String>()
            try await loop.run {
                let probe = Probe(loop: loop, events: events)
                #expect(probe.open(polling: -1) == UV_EBADF.rawValue)
                #expect(probe.opened(as: uv_poll_t.self) == nil)
                probe.startClosing()
                #expect(loop.openHandles == 1)
            }
            #expect(try await events.next() == "closed with 0 open")
            #expect(try await events.next() == "freed")
        }
    }

    @Test("A handle that can't be started throws, and is closed")
    func failures() async throws {
        try await withLoops { group in
            let loop = group.loops[0]
            let listening = try ListeningSocket.listen(
                host: "127.0.0.1", port: 0, count: 1, backlog: 1)[0][0]
            defer { listening.close() }
            let address = listening.address
            try await loop.run {
                #expect(
                    throws: TransportError(code: UV_EINVAL.rawValue, operation: "watch signal 9")
                ) {
                    try SignalSource(loop: loop, signal: SIGKILL) { _ in }
                }
                #expect(throws: TransportError.self) {
                    // A file can't be polled.
                    let file = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
                    let socket = ListeningSocket(descriptor: file, address: address, file: nil)
                    _ = try Listener(loop: loop, socket: socket) { _, _ in
                    } onError: { _ in
                    }
                }
                #expect(throws: TransportError.self) {
                    let file = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
                    try RecordingStream(loop: loop).adopt(ownedDescriptor: file)
                }
                #expect(loop.openHandles == 3)
            }
        }
    }
}
