import Glibc
import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// A server that listens: its loops, sockets and connections, until it is stopped.
final class RunningServer: Sendable {
    let shared: ServerShared
    let group: EventLoopGroup
    let contexts: [LoopContext]
    /// The addresses bound, port 0 replaced by the port picked.
    let addresses: [BoundAddress]
    private let sockets: [[ListeningSocket]]
    private let listeners = Mutex<[ListenerReference]>([])

    /// Binds every address, then starts accepting on every loop.
    init(shared: ServerShared) throws(TransportError) {
        self.shared = shared
        let configuration = shared.configuration
        let count = configuration.loops
        var sockets: [[ListeningSocket]] = []
        var addresses: [BoundAddress] = []
        for address in configuration.addresses {
            switch address {
            case .hostname(let host, let port):
                let groups = try ListeningSocket.listen(
                    host: host, port: port, count: count, backlog: configuration.backlog)
                sockets += groups
                addresses += groups.map {
                    .ip(host: $0[0].address.host, port: Int($0[0].address.port))
                }
            case .unix(let path):
                sockets.append([
                    try ListeningSocket.listen(unix: path, backlog: configuration.backlog)
                ])
                addresses.append(.unix(path: path))
            }
        }
        self.sockets = sockets
        self.addresses = addresses
        group = try EventLoopGroup(count: count)
        contexts = group.loops.map {
            LoopContext(
                loop: $0, logger: shared.logger, budget: shared.budget,
                admission: shared.admission)
        }
        for (index, context) in contexts.enumerated() {
            // A Unix-domain socket has no SO_REUSEPORT: one loop accepts and hands over in turn.
            for group in sockets where index < group.count {
                context.loop.execute { [self] in
                    listen(on: group[index], context, isShared: group.count < contexts.count)
                }
            }
        }
    }

    private func listen(on socket: ListeningSocket, _ context: LoopContext, isShared: Bool) {
        var turn = 0
        do {
            let listener = try Listener(loop: context.loop, socket: socket) {
                [self] descriptor, peer in
                let target = isShared ? contexts[turn % contexts.count] : context
                turn += 1
                if target === context {
                    shared.accept(descriptor, from: peer, on: context)
                } else {
                    target.loop.execute { [self] in
                        shared.accept(descriptor, from: peer, on: target)
                    }
                }
            } onError: { [self] error in
                context.counters.acceptErrors += 1
                shared.logger.warning(
                    "cannot accept connections; trying again",
                    metadata: ["error": "\(error)"])
            }
            listeners.withLock { $0.append(ListenerReference(listener: listener)) }
        } catch {
            shared.logger.critical("cannot listen", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Stopping

    /// Calls back on SIGTERM and SIGINT until the server is stopped.
    func watchSignals(_ onSignal: @escaping @Sendable () -> Void) {
        let context = contexts[0]
        context.loop.execute { [self] in
            for number in [SIGTERM, SIGINT] {
                do {
                    let source = try SignalSource(loop: context.loop, signal: number) { _ in
                        onSignal()
                    }
                    context.signals.append(source)
                } catch {
                    shared.logger.warning("cannot watch signals", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Stops accepting; the sockets' files go too.
    func closeListeners() {
        let open = listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
        for reference in open {
            reference.listener.loop.execute { reference.listener.close() }
        }
        for socket in sockets.joined() { socket.removeFile() }
    }

    /// Lets all connections go as configured; returns when none is left.
    func drain(_ drain: Drain) async {
        closeListeners()
        await onEachLoop { context, done in
            context.isDraining = true
            context.drain = ConnectionDrain(context: context, drain: drain)
            context.whenEmpty {
                if let drain = context.drain { context.loop.cancel(drain) }
                context.drain = nil
                done()
            }
        }
    }

    /// Cuts all connections now.
    func cut() async {
        closeListeners()
        await onEachLoop { context, done in
            context.isDraining = true
            for connection in context.snapshot() { connection.terminate() }
            context.whenEmpty(done)
        }
    }

    /// Stops the loops, which must be empty, and reports what they leaked: nothing.
    func stopLoops() {
        contexts[0].loop.execute { [self] in
            for source in contexts[0].signals { source.close() }
            contexts[0].signals = []
        }
        let open = group.shutdown()
        let buffers = contexts.reduce(0) { $0 + $1.assemblies.outstanding }
        if open != 0 || buffers != 0 {
            shared.logger.error(
                "handles or buffers were left open",
                metadata: ["handles": "\(open)", "buffers": "\(buffers)"])
        }
    }

    /// Runs a step on every loop and waits until each has called back.
    func onEachLoop(
        _ step: @escaping @Sendable (LoopContext, _ done: @escaping () -> Void) -> Void
    ) async {
        await withTaskGroup(of: Void.self) { tasks in
            for context in contexts {
                tasks.addTask {
                    await withCheckedContinuation { continuation in
                        let runs = context.loop.execute {
                            step(context) { continuation.resume() }
                        }
                        if !runs { continuation.resume() }
                    }
                }
            }
        }
    }

    func counters() async -> Counters {
        let sum = Mutex(Counters())
        await onEachLoop { context, done in
            sum.withLock { $0.add(context.total) }
            done()
        }
        return sum.withLock { $0 }
    }
}

/// A listener seen from other threads, which may only hand it back to its loop.
struct ListenerReference: @unchecked Sendable {
    // Safety: `listener` is used inside `loop.execute` alone.
    let listener: Listener
}
