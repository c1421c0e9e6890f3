import CLibuv
import Glibc
import Testing
import WebSocketServer
import LiveTesting

@testable import UVTransport

/// Runs `body` with loops, then checks that every handle on them is closed.
func withLoops<Value: Sendable>(
    _ count: Int = 1,
    _ body: @escaping @Sendable (EventLoopGroup) async throws -> Value
) async throws -> Value {
    let group = try EventLoopGroup(count: count)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(group))
    } catch {
        result = .failure(error)
    }
    for loop in group.loops {
        try await within(.seconds(120), "closing handles") {
            // Each round trip is a turn of the loop. Handles close within a few turns.
            while try await loop.run({ loop.openHandles }) > 0 { try Task.checkCancellation() }
        }
    }
    #expect(group.shutdown() == 0)
    return try result.get()
}

extension EventLoop {
    /// Runs a closure on the loop and waits for its result.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let runs = execute { continuation.resume(with: Result { try body() }) }
            if !runs { continuation.resume(throwing: CancellationError()) }
        }
    }
}

extension EventLoop {
    /// Returns whether the kernel would report events on a descriptor (proc(5), `fdinfo` of epoll).
    func polls(_ descriptor: Int32) -> Bool {
        guard let file = fopen("/proc/self/fdinfo/\(uv_backend_fd(uv))", "r") else { return false }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let words = line.prefix { $0 != 0 }.split(separator: 32).map {
                String(decoding: $0.map(UInt8.init(bitPattern:)), as: UTF8.self)
            }
            if words.first == "tfd:", words.count > 1, words[1] == "\(descriptor)" { return true }
        }
        return false
    }
}

/// The events of a stream, in order.
enum StreamEvent: Sendable, Equatable {
    case received([UInt8])
    case ended(TransportError)
    case shrank(Int)
    case closed
}

/// A stream that reports its events.
final class RecordingStream: UVTransport.Stream, @unchecked Sendable {
    // Safety: as its superclass.
    let events = Reports<StreamEvent>()
    /// Sends back received data.
    var echoes = false

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        events.add(.received([UInt8](bytes)))
        if echoes { put([UInt8](bytes)) }
    }

    override func ended(_ error: TransportError) {
        events.add(.ended(error))
        if echoes { finishWriting() }
    }

    override func outboxShrank() { events.add(.shrank(outboxCount)) }
    override func closed() { events.add(.closed) }

    /// Appends bytes. Returns false if nothing can be sent.
    @discardableResult
    func put(_ bytes: [UInt8]) -> Bool {
        guard let place = append(bytes.count) else { return false }
        bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return true
    }

    /// The reported ends: at most one.
    var ends: [TransportError] {
        events.all.compactMap { if case .ended(let error) = $0 { error } else { nil } }
    }

    /// Returns the next `count` received bytes, or somewhat more.
    func receivedBytes(count: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            if case .received(let bytes) = try await events.next() { all += bytes }
        }
        return all
    }
}

/// The kinds of streams.
enum Kind: String, CaseIterable, Sendable {
    case tcp, unix
}

/// A connection within the process: a stream on the loop, and a raw client at its other end.
struct Pair: Sendable {
    let stream: RecordingStream
    let peer: RawClient
    var loop: EventLoop { stream.loop }

    func close() async throws {
        let stream = self.stream
        try await loop.run { stream.closeHandle() }
        await peer.close()
    }
}

/// Creates a connection with a listener, which is closed again.
func makePair(
    _ kind: Kind, on loop: EventLoop, receiveBuffer: Int? = nil
) async throws -> Pair {
    let address: BoundAddress
    let socket: ListeningSocket
    switch kind {
    case .tcp:
        socket = try ListeningSocket.listen(host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
        address = .ip(host: "127.0.0.1", port: Int(socket.address.port))
    case .unix:
        let path = temporaryPath()
        socket = try ListeningSocket.listen(unix: path, backlog: 8)
        address = .unix(path: path)
    }
    let accepted = Reports<RecordingStream>()
    try await loop.run {
        var listener: Listener?
        listener = try Listener(loop: loop, socket: socket) { descriptor, peer in
            let stream = RecordingStream(loop: loop)
            do {
                try stream.adopt(ownedDescriptor: descriptor)
                accepted.add(stream)
            } catch {
                Issue.record(error)
            }
            listener?.close()
            listener = nil
        } onError: {
            Issue.record($0)
        }
    }
    let peer = try RawClient(to: address, receiveBuffer: receiveBuffer)
    let stream = try await accepted.next()
    socket.removeFile()
    return Pair(stream: stream, peer: peer)
}

/// Returns a path for a socket that doesn't exist.
func temporaryPath() -> String {
    "/tmp/apus-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
}

/// Returns bytes that reveal their position: they repeat after a prime number, and are fast to
/// create.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var start = seed % patternBlock.count
    while bytes.count < count {
        bytes += patternBlock[start...].prefix(count - bytes.count)
        start = 0
    }
    return bytes
}

private let patternBlock: [UInt8] = (0..<65_521).map {
    UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8)
}
