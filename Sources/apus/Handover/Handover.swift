import Dispatch
import Foundation
import Logging
import Synchronization
import UVTransport
import WebSocketServer

/// The hand-over of the listening sockets: from a predecessor, and to a successor.
///
/// A thread waits for successors, because the exchange with one blocks.
final class Handover: Sendable {
    private let path: String
    private let logger: Logger
    private let predecessor: Predecessor?
    /// The socket on which successors are awaited.
    private let listening: ListeningSocket
    private let wakeUp: DescriptorPair
    /// Whether the path is this process's: neither a predecessor's yet, nor a successor's already.
    private let ownsPath: Atomic<Bool>
    private let hasFailed = Atomic<Bool>(false)

    /// Takes over from the process that listens at a path, if there is one.
    ///
    /// - Throws: ``HandoverError`` or ``TransportError`` if the path can't be used.
    init(path: String, logger: Logger) throws {
        self.path = path
        self.logger = logger
        predecessor = try Predecessor.find(at: path)
        if let predecessor {
            listening = try .inherited(predecessor.handover, removesFile: true)
            logger.info(
                "taking over from a running process",
                metadata: [
                    "process": "\(predecessor.process)",
                    "sockets": "\(predecessor.listeners.count)",
                ])
        } else {
            listening = try .listen(unix: path, backlog: 8, mode: 0o600)
        }
        ownsPath = Atomic(predecessor == nil)
        wakeUp = try DescriptorPair()
    }

    /// Returns the addresses for a server of this process to listen on, with the sockets of the
    /// predecessor as far as it has the same. To be called once for each server.
    func addresses(
        for configured: [ListenAddress], of role: HandoverMessage.Listening.Role
    ) -> [ListenAddress] {
        predecessor?.addresses(for: configured, of: role) ?? configured
    }

    /// Tells the predecessor that the server accepts connections, and waits for a successor.
    ///
    /// - Parameter admin: The server of the admin listener, which is handed over, too.
    func begin(_ server: Server, admin: Server?) {
        Thread.detachNewThread { [self] in
            // A process that connects too late must not wait for an answer.
            defer { listening.close() }
            if let predecessor {
                guard predecessor.replace() else {
                    logger.error(
                        """
                        the running process has not handed over in time, and serves on: this one \
                        stops
                        """, metadata: ["process": "\(predecessor.process)"])
                    hasFailed.store(true, ordering: .relaxed)
                    // Its listening sockets stay, with their files.
                    return server.handOver()
                }
                ownsPath.store(true, ordering: .relaxed)
                logger.notice(
                    "took over from a process, which drains its connections",
                    metadata: ["process": "\(predecessor.process)"])
            }
            while wakeUp.waits(for: listening.descriptor) {
                guard let successor = DescriptorSocket.accept(from: listening.descriptor) else {
                    continue
                }
                if handOver(server, admin, to: successor) { return }
            }
        }
    }

    /// Ends the wait for successors. The socket's file goes too, if it is this process's.
    func end() {
        if ownsPath.exchange(false, ordering: .relaxed) { listening.removeFile() }
        wakeUp.wake()
    }

    /// Throws if the predecessor still serves, so that this process had to stop.
    func check() throws(HandoverError) {
        guard hasFailed.load(ordering: .relaxed) else { return }
        throw HandoverError(
            description: """
                server.handover: the running process had given up waiting for this one, and \
                serves on. Start this one again.
                """)
    }

    // MARK: - To a successor

    /// Hands over to a process that has connected. Returns false if it fails: then this process
    /// serves on.
    private func handOver(_ server: Server, _ admin: Server?, to socket: DescriptorSocket) -> Bool {
        guard let peer = socket.peer, peer.user == geteuid() else {
            logger.warning(
                "refused a hand-over to a process of another user", metadata: ["path": "\(path)"])
            return false
        }
        do {
            socket.setTimeout(seconds: HandoverMessage.timeout)
            let sockets = try duplicates(of: server, as: .open)
            defer { for each in sockets { close(each.descriptor) } }
            let ofAdmin = try admin.map { try duplicates(of: $0, as: .admin) } ?? []
            defer { for each in ofAdmin { close(each.descriptor) } }
            // The server stops: a successor makes sockets of its own.
            if sockets.isEmpty { return false }
            try HandoverMessage.Offer(
                handover: listening.descriptor, listeners: sockets + ofAdmin
            ).send(on: socket)
            socket.setTimeout(seconds: HandoverMessage.readyTimeout)
            guard try socket.receive(1) == [HandoverMessage.ready] else {
                throw HandoverError.unknownVersion
            }
            // If it is gone already, this process serves on.
            try socket.send([HandoverMessage.drains])
            ownsPath.store(false, ordering: .relaxed)
        } catch {
            try? socket.send([HandoverMessage.gaveUp])
            logger.warning(
                "a process that was to take over has failed: serving on",
                metadata: ["process": "\(peer.process)", "reason": "\(error)"])
            return false
        }
        logger.notice(
            "handed over the listening sockets to another process",
            metadata: ["process": "\(peer.process)"])
        // At once, so that the figures that it reports are those of the successor.
        admin?.handOver()
        server.handOver()
        return true
    }

    /// Returns second descriptors of a server's sockets, which the caller owns.
    private func duplicates(
        of server: Server, as role: HandoverMessage.Listening.Role
    ) throws -> [HandoverMessage.Listening] {
        let groups = try wait { try await server.duplicateListeners() }
        return groups.flatMap { group in
            var text = "\(group.address)"
            if case .inherited(let descriptor, _) = group.address {
                let taken = predecessor?.listeners.first { $0.descriptor == descriptor }
                text = taken?.address ?? text
            }
            return group.owned.map {
                HandoverMessage.Listening(role: role, address: text, descriptor: $0)
            }
        }
    }

    /// Waits on this thread, which no task runs on, for the result of a task.
    private func wait<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<Value, any Error>?>(nil)
        Task {
            do {
                let value = try await body()
                result.withLock { $0 = .success(value) }
            } catch {
                result.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        return try result.withLock { $0! }.get()
    }
}
