import HTTPProtocol
import HTTPTypes

/// The refusals of an overloaded server, see ``OverloadConfiguration``.
extension HTTPExchange {
    /// Refuses a request if the server is overloaded and the request is for a new WebSocket or on a
    /// new connection. Returns whether it has.
    func refuseIfOverloaded(
        _ head: RequestHead, isUpgrade: Bool, on connection: ConnectionCore
    ) -> Bool {
        guard let load = connection.resources.load, load.level > .normal,
            isUpgrade || isRefusable, !settings.routes.isAlwaysServed(head)
        else { return false }
        connection.resources.counters.refusedByOverload += 1
        connection.resources.warnings.overloaded.log(["peer": "\(connection.peer)"])
        let fault = HTTPFault.overloaded(retryAfter: settings.overload.retryAfter())
        if isRefusable {
            refuse(fault, isHead: head.request.method == .head, on: connection)
        } else {
            // A proxy's connection may serve other clients, too.
            refuse(fault, head, on: connection)
        }
        return true
    }
}

extension HTTPFault {
    /// Returns a 503 (Service Unavailable) with the seconds after which to try again, RFC 9110
    /// §15.6.4, §10.2.3.
    fileprivate static func overloaded(retryAfter seconds: Int) -> HTTPFault {
        HTTPFault(
            status: .serviceUnavailable,
            detail: "This server is overloaded and accepts no new connections for now.",
            headerFields: [.retryAfter: "\(seconds)"])
    }
}
