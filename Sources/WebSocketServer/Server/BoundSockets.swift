import UVTransport

/// The listening sockets of one address, and how they are shared out among the event loops.
struct BoundSockets: Sendable {
    /// The address in the configuration. For several inherited sockets, that of the first one.
    let configured: ListenAddress
    /// The address itself, with the chosen port in place of port 0.
    let address: BoundAddress
    private(set) var sockets: [ListeningSocket]

    /// Binds an address of the configuration, or adopts its socket. A socket that was inherited
    /// joins others of the same address.
    static func bind(
        _ address: ListenAddress, _ configuration: ServerConfiguration,
        into all: inout [BoundSockets]
    ) throws(TransportError) {
        switch address {
        case .hostname(let host, let port):
            let groups = try ListeningSocket.listen(
                host: host, port: port, count: configuration.loopCount,
                backlog: configuration.backlog, isDualStack: configuration.isDualStack)
            all += groups.map {
                BoundSockets(configured: address, address: BoundAddress(of: $0[0]), sockets: $0)
            }
        case .unix(let path):
            let socket = try ListeningSocket.listen(
                unix: path, backlog: configuration.backlog,
                mode: configuration.unixSockets.mode.map { UInt32($0) },
                group: configuration.unixSockets.group)
            all.append(
                BoundSockets(
                    configured: address, address: .unix(path: path), sockets: [socket]))
        case .inherited(let descriptor, let removesFile):
            let socket = try ListeningSocket.inherited(descriptor, removesFile: removesFile)
            let place = BoundAddress(of: socket)
            if let index = all.firstIndex(where: { $0.address == place && $0.isInherited }) {
                all[index].sockets.append(socket)
            } else {
                all.append(BoundSockets(configured: address, address: place, sockets: [socket]))
            }
        }
    }

    private var isInherited: Bool { sockets[0].isInherited }

    /// Releases the sockets of a server that could not start. Inherited ones still belong to the
    /// caller, who may try again.
    func giveUp() {
        for socket in sockets where !socket.isInherited {
            socket.removeFile()
            socket.close()
        }
    }

    /// Whether each loop can accept for itself alone. Otherwise, connections go to all loops in
    /// turn: a Unix-domain socket has no `SO_REUSEPORT`, and inherited sockets may be fewer than
    /// the loops.
    func isEven(over loopCount: Int) -> Bool { sockets.count.isMultiple(of: loopCount) }

    /// Returns the sockets on which one of the loops accepts.
    func sockets(of loop: Int, among loopCount: Int) -> [ListeningSocket] {
        sockets.indices.filter { $0 % loopCount == loop }.map { sockets[$0] }
    }
}

extension BoundAddress {
    init(of socket: ListeningSocket) {
        if socket.address.family == .unix {
            self = .unix(path: socket.path ?? "")
        } else {
            self = .ip(host: socket.address.host, port: Int(socket.address.port))
        }
    }
}

/// Descriptors of the sockets that listen at one address.
package struct ListeningDescriptors: Sendable {
    /// The address in the configuration.
    package let address: ListenAddress
    /// The descriptors; the receiver of this value closes them.
    package let owned: [Int32]
}
