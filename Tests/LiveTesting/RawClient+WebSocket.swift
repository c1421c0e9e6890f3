public import WebSocketServer

/// Frames as exact bytes.
extension RawClient {
    /// A frame received from a server.
    public struct Frame: Sendable, Hashable {
        /// The first byte: FIN, the reserved bits and the opcode.
        public var first: UInt8
        public var payload: [UInt8]

        public init(first: UInt8, payload: [UInt8] = []) {
            self.first = first
            self.payload = payload
        }

        public static func text(_ text: String) -> Frame {
            Frame(first: 0x81, payload: [UInt8](text.utf8))
        }

        /// Returns a Close frame.
        public static func close(_ code: CloseCode?, _ reason: String = "") -> Frame {
            let bytes = code.map {
                [UInt8($0.rawValue >> 8), UInt8(truncatingIfNeeded: $0.rawValue)]
            }
            return Frame(first: 0x88, payload: (bytes ?? []) + reason.utf8)
        }

        /// The code of a Close frame.
        public var closeCode: CloseCode? {
            guard first == 0x88, payload.count >= 2 else { return nil }
            return CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        }

        /// Returns the frame as a client sends it: masked with a fixed key by default (RFC 6455
        /// §5.2).
        public func encoded(key: [UInt8]? = [0x37, 0xFA, 0x21, 0x3D]) -> [UInt8] {
            let masked: UInt8 = key == nil ? 0 : 0x80
            var bytes = [first]
            switch payload.count {
            case ..<126: bytes.append(masked | UInt8(payload.count))
            case ..<65_536:
                bytes += [masked | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
            default:
                bytes.append(masked | 127)
                bytes += (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
            }
            guard let key else { return bytes + payload }
            // A key of zeros changes nothing, and masking a large payload is slow.
            if key == [0, 0, 0, 0] { return bytes + key + payload }
            return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
        }
    }

    /// Returns the upgrade request for a path.
    public static func upgradeRequest(_ path: String, _ additional: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(additional)\r\n"
    }

    /// Does the opening handshake for a path. Returns the head of the response, and throws if it
    /// isn't a 101.
    @discardableResult
    public func upgrade(_ path: String, _ additional: String = "") throws -> String {
        try send(Self.upgradeRequest(path, additional))
        let head = try readHead()
        guard head.hasPrefix("HTTP/1.1 101 ") else {
            throw RawClientError("upgrade: \(head.prefix(40))", 0)
        }
        return head
    }

    /// Reads the status line and the header fields of a response.
    public func readHead() throws -> String {
        String(decoding: try read(through: [13, 10, 13, 10]), as: UTF8.self)
    }

    /// Reads a complete response with a `Content-Length`.
    public func readResponse() throws -> (head: String, body: String) {
        let head = try readHead()
        let length = head.split(separator: "\r\n").compactMap { line -> Int? in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
            return Int(parts[1].drop { $0 == " " })
        }
        return (head, String(decoding: try read(length.first ?? 0), as: UTF8.self))
    }

    /// Runs several steps on the client's own thread, without waiting for other tasks in between.
    public func steps<Value: Sendable>(
        _ body: @Sendable (isolated RawClient) throws -> Value
    ) rethrows -> Value { try body(self) }

    public func send(_ frame: Frame) throws { try send(frame.encoded()) }

    /// Reads the next frame, which must not be masked.
    public func readFrame(within limit: Duration = .seconds(120)) throws -> Frame {
        let header = try read(2, within: limit)
        var length = Int(header[1])
        if length == 126 || length == 127 {
            length = try read(length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
        }
        return Frame(first: header[0], payload: try read(length, within: limit))
    }
}
