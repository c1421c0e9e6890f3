import Glibc
import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// The server's end of one connection, as exact bytes.
struct ServerEnd: Sendable {
    private let descriptor: Int32
    /// The received bytes that haven't been returned yet.
    private var buffer: [UInt8] = []

    /// Waits for a client. Accepts the given extensions, if any, whatever it offers.
    init(of socket: ListeningSocket, agreeingTo extensions: String? = nil) async throws {
        descriptor = try await within {
            while true {
                let descriptor = Glibc.accept(socket.descriptor, nil, nil)
                if descriptor >= 0 || errno != EAGAIN { return descriptor }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
        while !buffer.suffix(4).elementsEqual("\r\n\r\n".utf8) { try await readMore() }
        let head = String(decoding: buffer, as: UTF8.self)
        buffer = []
        let name = "sec-websocket-key: "
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name) }
        let key = String(try #require(line).dropFirst(name.count))
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(OpeningHandshake.acceptValue(forKey: key))\r\n"
            + (extensions.map { "Sec-WebSocket-Extensions: \($0)\r\n" } ?? "") + "\r\n"
        try send([UInt8](answer.utf8))
    }

    /// Returns the next frame of less than 64 KiB, which a client masks.
    mutating func readFrame() async throws -> RawClient.Frame {
        let header = try await read(2)
        var length = Int(header[1] & 0x7F)
        if length == 126 { length = try await read(2).reduce(0) { $0 << 8 | Int($1) } }
        let key = try await read(4)
        let payload = try await read(length)
        return RawClient.Frame(
            first: header[0], payload: payload.enumerated().map { $1 ^ key[$0 % 4] })
    }

    private mutating func read(_ count: Int) async throws -> [UInt8] {
        while buffer.count < count { try await readMore() }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    private mutating func readMore() async throws {
        let descriptor = self.descriptor
        let bytes: [UInt8] = try await within {
            var chunk = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
                if count >= 0 || errno != EAGAIN { return Array(chunk.prefix(max(0, count))) }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
        try #require(!bytes.isEmpty, "the client has left")
        buffer += bytes
    }

    /// Returns whether the client has closed its side and everything was read.
    mutating func hasEnded() async throws -> Bool {
        let descriptor = self.descriptor
        return try await within {
            var byte: UInt8 = 0
            while true {
                let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
                if count >= 0 || errno != EAGAIN { return count == 0 }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
    }

    func send(_ bytes: [UInt8]) throws {
        let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        try #require(count == bytes.count)
    }

    func close() { Glibc.close(descriptor) }
}
