import UVTransport

/// The place that a connection of a server has among all: it waits, holds it, or is evicted.
extension ConnectionCore: AdmissionMember {
    /// The reason in a Close frame with 1008 that a limit of connections is behind.
    static let tooManyConnections = "too many connections"

    /// Waits for a request, or for the end, with no claim to its place; counted for `address` from
    /// now on, if one is given.
    func waitInPlace(as address: SocketAddress? = nil) {
        context.admission?.wait(self, as: address)
    }

    /// Holds its place while it is of use; false if there are as many connections as there may be.
    func holdPlace() -> Bool { context.admission?.hold(self) ?? true }

    /// Finds out how the request that comes is received, which a proxy may have sent for a client.
    func judgeRequest(for client: SocketAddress? = nil) {
        guard let admission = context.admission else { return }
        self.admission = admission.judge(self, for: client)
    }

    func evict() {
        // Its descriptor is to be free as soon as can be.
        onLoop { connection in
            guard connection.stage != .over else { return }
            connection.context.counters.evicted += 1
            connection.terminate(reason: "evicted", reset: connection.isUnacknowledged)
        }
    }
}
