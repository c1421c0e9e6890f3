public import WebSocketTesting

/// Frames as exact bytes, as of a ``RawClient``.
extension TestSocket {
    /// Does the opening handshake for a path. Returns the head of the response, and throws if it
    /// isn't a 101.
    @discardableResult
    public func upgrade(_ path: String, _ additional: String = "") async throws -> String {
        await send(RawClient.upgradeRequest(path, additional))
        let head = try await readHead()
        guard head.hasPrefix("HTTP/1.1 101 ") else {
            throw RawClientError("upgrade: \(head.prefix(40))", 0)
        }
        return head
    }

    /// Reads the status line and the header fields of a response.
    @discardableResult
    public func readHead() async throws -> String {
        String(decoding: try await read(through: [13, 10, 13, 10]), as: UTF8.self)
    }

    public func send(_ frame: RawClient.Frame) async { await send(frame.encoded()) }

    /// Reads the next frame, which must not be masked.
    public func readFrame() async throws -> RawClient.Frame {
        let header = try await read(2)
        var length = Int(header[1])
        if length == 126 || length == 127 {
            length = try await read(length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
        }
        return RawClient.Frame(first: header[0], payload: try await read(length))
    }

    /// Whether everything that has come was read.
    public var hasNothing: Bool { get async { await unreturnedCount == 0 } }
}

extension TestServer {
    /// Returns a socket after its opening handshake for `/ws`.
    public func upgraded(
        _ path: String = "/ws", _ additional: String = "", from address: String = "192.0.2.1",
        wire: WireConfiguration = WireConfiguration()
    ) async throws -> TestSocket {
        let socket = try await open(from: address, wire: wire)
        try await socket.upgrade(path, additional)
        return socket
    }
}
