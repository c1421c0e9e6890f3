import Glibc
import WebSocketServer

/// An echo benchmark that drives a server from within its process, for counting instructions.
@main
struct EchoDriver {
    static func main() async throws {
        let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        guard numbers.count == 3 else {
            print("usage: EchoDriver READS FRAMES SIZE [text|async]")
            exit(64)
        }
        let isText = CommandLine.arguments.last == "text"
        let input = frames(count: numbers[1], size: numbers[2], isText: isText)

        var router = Router()
        if CommandLine.arguments.last == "async" {
            router.webSocket("/echo") { connection in
                for try await message in connection.messages { try await connection.send(message) }
            }
        } else {
            let echo = RawEcho()
            router.upgrade("/echo") { _ in .accept(echo) }
        }
        var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
        configuration.loops = 1
        let bound = AsyncStream<Int>.makeStream()
        let server = try Server(configuration: configuration, router: router, logger: .quiet) {
            bound.continuation.yield($0[0].port ?? 0)
        }
        let running = Task { try await server.run() }
        var ports = bound.stream.makeAsyncIterator()
        let client = Client(port: await ports.next() ?? 0)
        let reply = numbers[1] * (numbers[2] + headerSize(numbers[2]))
        for _ in 0..<numbers[0] { client.exchange(input, reply: reply) }
        client.close()
        running.cancel()
        try await running.value
    }

    /// Returns `count` client frames (RFC 6455 §5.2), masked with different keys.
    static func frames(count: Int, size: Int, isText: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in 0..<count {
            bytes.append(isText ? 0x81 : 0x82)
            switch headerSize(size) {
            case 2: bytes.append(0x80 | UInt8(size))
            case 4: bytes += [0x80 | 126, UInt8(size >> 8), UInt8(size & 0xFF)]
            default:
                bytes.append(0x80 | 127)
                bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) }
            }
            let key: [UInt8] = [0x37, 0xFA, 0x21, UInt8(truncatingIfNeeded: index)]
            bytes += key
            bytes += (0..<size).map { UInt8(97 + $0 % 26) ^ key[$0 % 4] }
        }
        return bytes
    }

    static func headerSize(_ size: Int) -> Int { size < 126 ? 2 : size <= 0xFFFF ? 4 : 10 }
}

/// An echo handler that sends each message back unchanged.
final class RawEcho: ConnectionHandler, Sendable {
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.send(payload, as: kind)
    }
}

extension Logger {
    /// A logger that discards everything.
    static var quiet: Logger {
        var logger = Logger(label: "driver")
        logger.logLevel = .critical
        return logger
    }
}

/// A minimal client for the echo: blocking, and with very few instructions.
struct Client {
    private let descriptor: Int32
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 64)

    init(port: Int) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafeBytes(of: &address) {
            connect(
                descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        precondition(connected == 0, "cannot connect")
        let request =
            "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        let bytes = [UInt8](request.utf8)
        write(descriptor, bytes, bytes.count)
        // The whole response arrives in one piece, and nothing follows it unrequested.
        precondition(recv(descriptor, buffer, 4_096, 0) > 12, "no answer")
    }

    /// Writes `bytes`, and reads until `reply` bytes have arrived.
    func exchange(_ bytes: [UInt8], reply: Int) {
        write(descriptor, bytes, bytes.count)
        var missing = reply
        while missing > 0 {
            let count = recv(descriptor, buffer, 1 << 20, 0)
            precondition(count > 0, "the server left")
            missing -= count
        }
    }

    func close() { Glibc.close(descriptor) }
}
