import UVTransport
import WebSocketServer

/// A client's connection as bytes: for requests and frames that a well-behaved client doesn't send.
// Safety: as its superclass.
public final class TestSocket: TestConnection, @unchecked Sendable {
    /// The bytes that the network hasn't taken yet.
    private var unsent: [UInt8] = []
    private var isFinishing = false
    /// The received bytes that haven't been returned yet.
    private var received: ArraySlice<UInt8> = []
    private var outcome: SocketEnd?
    private let arrivals: Arrivals

    override init(_ wire: Wire, _ memory: MemoryServer) {
        arrivals = Arrivals(memory)
        super.init(wire, memory)
    }

    /// Takes its end of the wire, on the loop.
    func begin() {
        toServer.onWritable = { [weak self] in self?.sendUnsent() }
        toClient.onReadable = { [weak self] in self?.readAvailable() }
    }

    // MARK: - Sending

    /// Sends bytes.
    public func send(_ bytes: [UInt8]) async {
        await memory.perform { [self] in
            unsent += bytes
            sendUnsent()
        }
    }

    /// Sends the UTF-8 of a text.
    public func send(_ text: String) async { await send([UInt8](text.utf8)) }

    /// Sends the end of the stream (FIN). Reading is still possible.
    public func finishSending() async {
        await memory.perform { [self] in
            isFinishing = true
            sendUnsent()
        }
    }

    /// Closes the connection. Unread bytes make that a reset.
    public func close() async { await memory.perform { [self] in drop() } }

    /// Closes the connection, on the loop.
    func drop() {
        if toClient.abandon() { toServer.reset() } else { toServer.finish() }
        finish(.end)
    }

    private func sendUnsent() {
        while !unsent.isEmpty {
            guard let count = unsafe unsent.withUnsafeBytes({ unsafe toServer.write($0) }) else {
                unsent = []
                return
            }
            if toServer.isAbandoned { toClient.reset() }
            if count == 0 { return }
            unsent.removeFirst(count)
        }
        if isFinishing { toServer.finish() }
    }

    // MARK: - Receiving

    /// Reads exactly `count` bytes. Throws ``SocketEnd`` if the stream ends before, and
    /// ``DeadlineError`` if nothing comes within `limit` of real time.
    public func read(
        _ count: Int, within limit: Duration = TestServer.patience
    ) async throws -> [UInt8] {
        try await take(within: limit) { $0.count >= count ? count : nil }
    }

    /// Reads bytes up to and including `end`. Throws as ``read(_:within:)``.
    public func read(
        through end: [UInt8], within limit: Duration = TestServer.patience
    ) async throws -> [UInt8] {
        try await take(within: limit) { received in
            received.firstRange(of: end).map { $0.upperBound - received.startIndex }
        }
    }

    /// Reads everything up to the end of the stream. With `orReset`, a reset counts as the end;
    /// otherwise, ``SocketEnd/reset`` is thrown. Throws ``DeadlineError`` after `limit` of real
    /// time.
    public func readToEnd(
        orReset: Bool = false, within limit: Duration = TestServer.patience
    ) async throws -> [UInt8] {
        let (end, bytes) = try await wait(within: limit) { [self] in
            outcome.map { ($0, takeReceived()) }
        }
        if end == .reset, !orReset { throw end }
        return bytes
    }

    /// Returns the bytes that have come and were not read yet, without waiting.
    public func readAvailable() async -> [UInt8] {
        await memory.perform { [self] in takeReceived() }
    }

    /// The number of bytes that have come and were not read yet.
    public var unreturnedCount: Int {
        get async { await memory.perform { [self] in received.count } }
    }

    /// The way in which the server has ended the stream; `nil` while it is open.
    public var end: SocketEnd? { get async { await memory.perform { [self] in outcome } } }

    private func take(
        within limit: Duration, _ size: @escaping @Sendable (ArraySlice<UInt8>) -> Int?
    ) async throws -> [UInt8] {
        let bytes: Result<[UInt8], SocketEnd> = try await wait(within: limit) { [self] in
            guard let size = size(received) else { return outcome.map { .failure($0) } }
            defer { received.removeFirst(size) }
            return .success(Array(received.prefix(size)))
        }
        return try bytes.get()
    }

    private func wait<Value: Sendable>(
        within limit: Duration, for look: @escaping @Sendable () -> Value?
    ) async throws -> Value {
        try await arrivals.wait(within: limit, "connection \(number)", for: look)
    }

    private func takeReceived() -> [UInt8] {
        defer { received = [] }
        return Array(received)
    }

    private func readAvailable() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let outcome = unsafe buffer.withUnsafeMutableBytes { unsafe toClient.read(into: $0) }
            switch outcome {
            case .bytes(let count):
                received += buffer.prefix(count)
                arrivals.notify()
            case .nothing: return
            case .end: return finish(.end)
            case .reset: return finish(.reset)
            }
        }
    }

    private func finish(_ end: SocketEnd) {
        if outcome == nil { outcome = end }
        arrivals.notify()
    }

    // MARK: - Requests

    /// Sends a request, and returns its response.
    func exchange(
        _ request: [UInt8], isHead: Bool, within limit: Duration
    ) async throws -> TestResponse {
        await send(request)
        var seen = 0
        while true {
            let (bytes, end) = try await wait(within: limit) { [self, seen] in
                received.count > seen || outcome != nil ? (Array(received), outcome) : nil
            }
            if let response = try TestResponse(bytes, isHead: isHead, hasEnded: end == .end) {
                return response
            }
            if let end { throw end }
            seen = bytes.count
        }
    }
}

/// The end of a ``TestSocket``'s stream.
public enum SocketEnd: Error, Sendable, Hashable {
    /// The server has sent its last byte.
    case end
    /// The server has reset the connection, or it was cut.
    case reset
}
