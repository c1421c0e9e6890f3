import LiveTesting
import Testing

@testable import WebSocketServer

/// Every fault of a network at every moment of a connection.
@Suite("Faults at every moment") struct FaultMatrixTests {
    typealias Frame = RawClient.Frame

    enum Fault: String, CaseIterable, Sendable {
        /// A reset, silence of the network, a client that doesn't read, the client's end of the
        /// stream, and a closed socket.
        case cut, vanish, stall, finish, close

        func strike(_ socket: TestSocket) async {
            switch self {
            case .cut: await socket.cut()
            case .vanish: await socket.vanish()
            case .stall: await socket.stall()
            case .finish: await socket.finishSending()
            case .close: await socket.close()
            }
        }
    }

    enum Moment: String, CaseIterable, Sendable {
        case opened, withinHead, withinBody, upgraded, withinFrame, withinMessage, compressed
        case answersWait, closing, closed

        /// Brings a connection to this moment.
        func reach(_ socket: TestSocket) async throws {
            switch self {
            case .opened: return
            case .withinHead: return await socket.send("GET /ws HTTP/1.1\r\nHost: a\r\n")
            case .withinBody:
                return await socket.send(
                    "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfour")
            default: break
            }
            try await socket.upgrade("/ws", self == .compressed ? CompressionTests.offer : "")
            switch self {
            case .withinFrame: await socket.send(Array(Frame.text("hello").encoded().dropLast(2)))
            case .withinMessage: await socket.send(Frame(first: 0x01, payload: [0x61]))
            case .compressed:
                let payload = CompressionTests.deflated("hello hello hello", level: 1)
                await socket.send(Frame(first: 0x41, payload: Array(payload.prefix(4))))
            case .answersWait:
                await socket.stall()
                let frame = Frame(first: 0x82, payload: .init(repeating: 1, count: 30_000))
                for _ in 0..<8 { await socket.send(frame) }
            case .closing: await socket.send(.text("close"))
            case .closed: await socket.send(.close(.normalClosure))
            default: break
            }
        }
    }

    private static func router(_ recorder: Recorder) -> Router {
        var router = Router()
        router.upgrade("/ws") { _ in .accept(Closer(recorder)) }
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        router.post("/post") { request in .text("\(request.body.count)") }
        return router
    }

    /// An echo that closes when it is asked to.
    private final class Closer: ConnectionHandler, Sendable {
        private let recorder: Recorder

        init(_ recorder: Recorder) { self.recorder = recorder }

        func onOpen(_ connection: Connection) { recorder.onOpen(connection) }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            if payload.withUnsafeBytes({ $0.elementsEqual("close".utf8) }) {
                connection.close(.goingAway)
            } else {
                connection.send(payload, as: kind)
            }
        }

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            recorder.onClose(connection, code: code, reason: reason)
        }
    }

    @Test(
        "The connection ends in time, its end is reported once, nothing is left, others are served",
        arguments: Fault.allCases, Moment.allCases)
    func fault(_ fault: Fault, at moment: Moment) async throws {
        // With random pieces, and with a byte at a time.
        for (seed, pieceSizeMax) in [(nil, nil), (1, nil), (nil, 1)] as [(UInt64?, Int?)] {
            let recorder = Recorder(echoes: true)
            try await withTestServer(Self.router(recorder), seed: seed) { app in
                let other = try await app.connect("/echo")
                var wire = WireConfiguration()
                wire.capacity = 64 << 10
                wire.pieceSizeMax = moment == .answersWait ? nil : pieceSizeMax
                let socket = try await app.open(wire: wire)
                try await moment.reach(socket)
                await fault.strike(socket)
                // More than any timeout, of which several may follow each other.
                await app.advance(by: .seconds(120))
                await other.send("still")
                #expect(try await other.receive() == Message("still"))
                #expect(app.server.connectionCount == 1)
                let wasOpen = recorder.events.all.contains(.opened)
                let isHTTP = [.opened, .withinHead, .withinBody].contains(moment)
                #expect(wasOpen == !isHTTP)
                if wasOpen { _ = try await recorder.end() }
                // The server checks that no memory is left when it is stopped.
            }
        }
    }

    @Test("Answers arrive whole, however reads and writes are cut", arguments: 0..<20)
    func pieces(seed: UInt64) async throws {
        try await withTestServer(Self.router(Recorder()), seed: seed) {
            $0.compression = Compression()
        } _: { app in
            var wire = WireConfiguration()
            // A message is larger than the network, so that writes are partial.
            wire.capacity = 1_000
            let plain = try await app.connect("/echo", wire: wire)
            let deflating = try await app.connect(
                "/echo", compression: Compression(), wire: wire)
            for size in [0, 1, 125, 126, 5_000, 70_000] {
                let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
                for client in [plain, deflating] {
                    await client.send(payload)
                    #expect(try await client.receive() == Message(payload))
                }
            }
            #expect(try await app.request(.post, "/post", body: "12345").text == "5")
        }
    }
}
