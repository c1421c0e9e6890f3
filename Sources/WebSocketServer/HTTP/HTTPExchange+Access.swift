import HTTPProtocol
import HTTPTypes

/// The lines of the access log about requests.
extension HTTPExchange {
    /// Notes a request whose head has arrived.
    func beginAccess(_ head: RequestHead, _ log: AccessLog, on connection: ConnectionCore) {
        let request = head.request
        accessEntry = AccessEntry(
            method: request.method.rawValue, path: request.loggedPath,
            route: settings.routes.pattern(of: head),
            requestID: RequestID.given(in: request.headerFields)
                ?? "\(connection.id)-\(requestCount)",
            began: log.now)
    }

    /// Logs a request whose response is complete.
    ///
    /// - Parameter reason: The reason of a refusal by the server itself.
    func logAccess(
        _ status: HTTPResponse.Status, bytes: Int, reason: String? = nil,
        on connection: ConnectionCore
    ) {
        defer { accessEntry = nil }
        guard let log = connection.resources.access else { return }
        log.logRequest(
            accessEntry, connection: connection.id, peer: connection.peer, status: status.code,
            bytes: bytes, reason: reason)
    }

    /// Takes over the identifier that a middleware has given a request.
    func noteRequestID(in fields: HTTPFields) {
        guard let accessEntry, let id = RequestID.given(in: fields) else { return }
        accessEntry.requestID = id
    }

    /// Logs that the server itself refuses a request.
    func logRefusal(_ fault: HTTPFault, on connection: ConnectionCore) {
        connection.resources.logger.debug(
            "request refused",
            metadata: [
                "connection": "\(connection.id)", "peer": "\(connection.peer)",
                "status": "\(fault.status.code)", "reason": "\(fault.detail)",
            ])
    }

    /// Logs the request that the end of the connection leaves without a response, or that there was
    /// none.
    func logUnanswered(reason: String, on connection: ConnectionCore) {
        guard let log = connection.resources.access else { return }
        var (status, bytes): (Int?, Int) = (nil, 0)
        if case .streaming(let stream) = state {
            (status, bytes) = (stream.status.code, stream.bytesSent)
        }
        if let accessEntry {
            log.logRequest(
                accessEntry, connection: connection.id, peer: connection.peer, status: status,
                bytes: bytes, reason: reason.isEmpty ? "client left" : reason)
            self.accessEntry = nil
        } else if requestCount == 0 {
            log.logConnection(connection.id, peer: connection.peer, reason: reason)
        }
    }
}
