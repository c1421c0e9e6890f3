import Glibc
import UVTransport
import WebSocketServer

/// A process that serves until this one is ready, and the sockets that it hands over.
final class Predecessor: Sendable {
    let process: Int32
    /// The socket by which this process hands over in turn.
    let handover: Int32
    private let socket: DescriptorSocket
    let listeners: [HandoverMessage.Listening]

    private init(process: Int32, socket: DescriptorSocket, offer: HandoverMessage.Offer) {
        self.process = process
        self.socket = socket
        handover = offer.handover
        listeners = offer.listeners
    }

    /// Asks the process that listens at a path for its sockets. Returns `nil` if there is none, or
    /// if it is about to stop.
    static func find(at path: String) throws -> Predecessor? {
        do {
            guard let socket = try DescriptorSocket.connect(to: path) else { return nil }
            socket.setTimeout(seconds: HandoverMessage.timeout)
            guard let peer = socket.peer, peer.user == geteuid() else {
                throw HandoverError(
                    description: "the process that listens there belongs to another user")
            }
            return Predecessor(
                process: peer.process, socket: socket, offer: try .receive(from: socket))
        } catch let error as TransportError where error.isEndOfFile || error.isConnectionReset {
            return nil
        } catch let error as TransportError where error.name == "EAGAIN" {
            throw HandoverError(
                description: """
                    server.handover: the process that listens at \(path) doesn't answer. Stop it \
                    first.
                    """)
        } catch {
            throw HandoverError(
                description: "server.handover: \(path) can't be used: \(error)")
        }
    }

    /// Returns the addresses of a configuration, with the predecessor's sockets in place of those
    /// that it listens on. Its other sockets for the same server are closed.
    func addresses(
        for configured: [ListenAddress], of role: HandoverMessage.Listening.Role
    ) -> [ListenAddress] {
        var unused = listeners.filter { $0.role == role }
        var addresses: [ListenAddress] = []
        for address in configured {
            let text = "\(address)"
            let found = unused.filter { $0.address == text }
            unused.removeAll { $0.address == text }
            if found.isEmpty { addresses.append(address) }
            addresses += found.map {
                .inherited(descriptor: $0.descriptor, removesFile: address.isPath)
            }
        }
        for listener in unused { close(listener.descriptor) }
        return addresses
    }

    /// Tells the predecessor that this process accepts connections. Returns whether it goes.
    func replace() -> Bool {
        do {
            try socket.send([HandoverMessage.ready])
            return try socket.receive(1) == [HandoverMessage.drains]
        } catch {
            // It has ended meanwhile.
            return error.isEndOfFile || error.isConnectionReset
        }
    }
}

extension ListenAddress {
    fileprivate var isPath: Bool {
        if case .unix = self { true } else { false }
    }
}
