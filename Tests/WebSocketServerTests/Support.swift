import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The calls that a handler received, in order.
enum HandlerEvent: Sendable, Equatable {
    case opened
    case message(Message)
    case drained
    case closed(CloseCode, String)
}

/// A handler that reports its calls, and may echo.
final class Recorder: ConnectionHandler, Sendable {
    let events = Reports<HandlerEvent>()
    let connections = Reports<Connection>()
    private let echoes: Bool

    init(echoes: Bool = false) { self.echoes = echoes }

    func onOpen(_ connection: Connection) {
        events.add(.opened)
        connections.add(connection)
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        events.add(.message(Message(payload.withUnsafeBytes { [UInt8]($0) }, as: kind)))
        if echoes { connection.send(payload, as: kind) }
    }

    func onDrain(_ connection: Connection) { events.add(.drained) }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        events.add(.closed(code, reason))
    }

    /// Waits for the connection's end. Checks that it is reported once and last.
    func end() async throws -> HandlerEvent {
        let end = try await events.next { if case .closed = $0 { true } else { false } }
        let all = events.all
        #expect(all.first == .opened)
        #expect(all.last == end)
        #expect(all.filter { $0 == .opened }.count == 1)
        return end
    }
}

extension Router {
    /// Returns a router whose `/ws` leads to one handler.
    static func single(_ handler: any ConnectionHandler & Sendable) -> Router {
        var router = Router()
        router.webSocket("/ws") { _ in .accept(handler) }
        return router
    }

    /// Returns a router whose `/ws` echoes.
    static var echo: Router { single(Recorder(echoes: true)) }
}

extension Connection {
    /// Runs a closure on the connection's loop and waits for its result.
    func onLoop<Value: Sendable>(
        _ body: @escaping @Sendable (ConnectionCore) -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            core.onLoop { continuation.resume(returning: body($0)) }
        }
    }

    /// Waits, one turn of the loop at a time, until a condition holds.
    func until(_ condition: @escaping @Sendable (ConnectionCore) -> Bool) async throws {
        try await within(.seconds(120), "a state of the connection") {
            while await !onLoop(condition) { try Task.checkCancellation() }
        }
    }
}

extension LiveServer {
    func raw(receiveBuffer: Int? = nil) throws -> RawClient {
        try RawClient(to: addresses[0], receiveBuffer: receiveBuffer)
    }

    /// Returns a raw client after its opening handshake for `/ws`.
    func upgraded(_ path: String = "/ws", receiveBuffer: Int? = nil) async throws -> RawClient {
        let client = try raw(receiveBuffer: receiveBuffer)
        try await client.upgrade(path)
        return client
    }
}

extension Server {
    /// Returns the resources of the first loop while the server runs.
    var firstLoop: LoopResources? {
        get async { runningLoops.first?.resources }
    }

    /// The bytes that clients make all loops hold.
    var bytesHeld: Int {
        get async { runningLoops.reduce(0) { $0 + $1.resources.memory.bytesHeld } }
    }
}

extension LoopResources {
    /// Runs a closure on the loop and waits for its result.
    func onLoop<Value: Sendable>(
        _ body: @escaping @Sendable (LoopResources) -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body(self)) }
        }
    }
}
