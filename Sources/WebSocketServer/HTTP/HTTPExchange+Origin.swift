import HTTPProtocol
import HTTPTypes

/// Requests of pages from elsewhere, which a browser would let through.
extension HTTPExchange {
    /// Why a request's `Origin` keeps it out; `nil` if it doesn't.
    func originFault(of request: HTTPRequest) -> HTTPFault? {
        originFault(of: request, from: request.headerFields[.origin])
    }

    /// Why the page that a plain GET comes from may open no WebSocket here; `nil` if it may.
    ///
    /// Browsers send an upgrade's `Origin` always, but none with a page's GET of its own server.
    /// The `Referer` names the page then (RFC 9110 §10.1.3). It gives no one access: the request
    /// is refused in any case.
    func pageFault(of request: HTTPRequest) -> HTTPFault? {
        let fields = request.headerFields
        return originFault(
            of: request, from: fields[.origin] ?? fields[.referer].flatMap(Origin.text(ofURL:)))
    }

    private func originFault(of request: HTTPRequest, from origin: String?) -> HTTPFault? {
        guard let origin, !settings.origins.allows(origin, to: request.authority)
        else { return nil }
        // It is named to the page's author, if it is one.
        let isNamed = origin.utf8.count <= 200 && Origin(origin) != nil
        server.logger.debug(
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
    /// Whether a request with it may change something (RFC 9110 §9.2.1): what it says is
    /// carried out though a browser hides the answer from a page of another origin.
    var changesState: Bool { ![.get, .head, .options, .trace].contains(self) }
}
