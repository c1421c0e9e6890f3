import HTTPProtocol
import HTTPTypes
import Logging

/// The check of requests of pages from elsewhere, which a browser would let through.
struct OriginCheck: Sendable {
    let origins: OriginPolicy
    let logger: Logger

    /// Returns the reason why a request is refused because of its `Origin`; `nil` if it isn't.
    func fault(of request: HTTPRequest) -> HTTPFault? {
        fault(of: request, from: request.headerFields[.origin])
    }

    /// Returns the reason why the page that sends a plain GET may not open a WebSocket here; `nil`
    /// if it may.
    ///
    /// Browsers always send the `Origin` of an upgrade, but no `Origin` with a page's GET to its own
    /// server. `Referer` names the page then (RFC 9110 §10.1.3). It can only lead to a refusal, and
    /// the request is refused in any case.
    func pageFault(of request: HTTPRequest) -> HTTPFault? {
        let fields = request.headerFields
        return fault(
            of: request, from: fields[.origin] ?? fields[.referer].flatMap(Origin.text(ofURL:)))
    }

    private func fault(of request: HTTPRequest, from origin: String?) -> HTTPFault? {
        guard let origin, !origins.allows(origin, to: request.authority) else { return nil }
        // The response names a valid origin, to help the page's author.
        let isNamed = origin.utf8.count <= 200 && Origin(origin) != nil
        logger.debug(
            "origin refused",
            metadata: [
                "origin": "\(isNamed ? origin : "invalid")", "host": "\(request.authority ?? "")",
            ])
        return HTTPFault(
            status: .forbidden,
            detail: "Pages of \(isNamed ? origin : "such an origin") may not use this server from "
                + "a browser: their origin isn't allowed.")
    }
}

extension HTTPRequest.Method {
    /// Whether a request with this method may change something (RFC 9110 §9.2.1). Such a request
    /// takes effect even if the browser hides the response from a page of another origin.
    var changesState: Bool { ![.get, .head, .options, .trace].contains(self) }
}
