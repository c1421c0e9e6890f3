public import HTTPTypes

/// A route's decision on an ``UpgradeRequest``.
public struct UpgradeDecision {
    /// The code that receives the connection.
    enum Receiver {
        case handler(any ConnectionHandler)
        case talk(Router.Talk)
    }

    struct Acceptance {
        let receiver: Receiver
        let subprotocol: String?
        let headerFields: HTTPFields
        let awaitsAuthentication: Bool
    }

    enum Kind {
        case accept(Acceptance)
        case refuse(Response)
    }

    let kind: Kind

    /// Accepts the upgrade for a handler.
    ///
    /// - Parameters:
    ///   - handler: Receives the connection.
    ///   - subprotocol: One of the offered subprotocols: see
    ///     ``UpgradeRequest/subprotocol(among:)``. Any other is left out, because the client would
    ///     have to fail (RFC 6455 §4.1).
    ///   - headerFields: Further header fields of the 101 response. Those that belong to the
    ///     opening handshake or frame a body are left out.
    ///   - awaitsAuthentication: Whether the peer still has to authenticate, such as by its first
    ///     message. Until the handler calls ``Connection/markAuthenticated()``, smaller limits apply
    ///     (``Limits/unauthenticatedMessageSizeMax``, ``Limits/authenticationTimeout``).
    ///     Compression isn't negotiated with such a peer.
    public static func accept(
        _ handler: any ConnectionHandler, subprotocol: String? = nil,
        headerFields: HTTPFields = [:], awaitsAuthentication: Bool = false
    ) -> UpgradeDecision {
        accept(.handler(handler), subprotocol, headerFields, awaitsAuthentication)
    }

    /// Accepts the upgrade for an `async` closure.
    ///
    /// - Parameters:
    ///   - subprotocol: As for a handler.
    ///   - headerFields: As for a handler.
    ///   - awaitsAuthentication: As for a handler.
    ///   - talk: Runs on the connection's event loop until the connection is no longer needed. The
    ///     connection is closed when it returns or throws.
    public static func accept(
        subprotocol: String? = nil, headerFields: HTTPFields = [:],
        awaitsAuthentication: Bool = false, _ talk: @escaping Router.Talk
    ) -> UpgradeDecision {
        accept(.talk(talk), subprotocol, headerFields, awaitsAuthentication)
    }

    private static func accept(
        _ receiver: Receiver, _ subprotocol: String?, _ headerFields: HTTPFields,
        _ awaitsAuthentication: Bool
    ) -> UpgradeDecision {
        UpgradeDecision(
            kind: .accept(
                Acceptance(
                    receiver: receiver, subprotocol: subprotocol, headerFields: headerFields,
                    awaitsAuthentication: awaitsAuthentication)))
    }

    /// Refuses the upgrade with a status and a body of `application/problem+json` (RFC 9457).
    ///
    /// - Parameters:
    ///   - detail: The reason of the refusal and what to do about it, for the client to read.
    ///   - headerFields: Further header fields, such as `WWW-Authenticate`.
    public static func refuse(
        _ status: HTTPResponse.Status, _ detail: String, headerFields: HTTPFields = [:]
    ) -> UpgradeDecision {
        refuse(Problem(status, detail, headerFields: headerFields).response)
    }

    /// Refuses the upgrade with a response, whose status is 200 or above.
    public static func refuse(_ response: Response) -> UpgradeDecision {
        UpgradeDecision(kind: .refuse(response))
    }
}
