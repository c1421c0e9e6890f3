import UVTransport

/// The place of a connection among all connections of the server: it waits, holds a place, or is
/// evicted.
extension ConnectionCore: AdmissionMember {
    /// The reason in a Close frame with 1008 that a limit of connections has caused.
    static let tooManyConnections = "too many connections"

    /// Waits for a request, or for the end, and may be evicted meanwhile. The connection is counted
    /// for `address` from now on, if one is given.
    func waitInPlace(as address: SocketAddress? = nil, entry: Admission.Entry? = nil) {
        resources.admission?.wait(self, as: address, entry: entry)
    }

    /// Holds a place while the connection is in use. Returns false if none is left.
    func holdPlace() -> Bool { resources.admission?.hold(self) ?? true }

    /// Decides how the arriving request is received, which a proxy may have sent for a client.
    func judgeRequest(for client: SocketAddress? = nil) {
        guard let admission = resources.admission else { return }
        self.admission = admission.judge(self, for: client)
    }

    func evict() {
        // Its descriptor must be free as soon as possible.
        onLoop { connection in
            guard connection.stage != .over else { return }
            connection.resources.counters.evicted += 1
            connection.terminate(reason: "evicted", reset: connection.isUnacknowledged)
        }
    }
}
