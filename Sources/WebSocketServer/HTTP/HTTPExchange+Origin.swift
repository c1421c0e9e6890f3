import HTTPProtocol
import HTTPTypes

/// Requests of pages from elsewhere, which a browser would let through.
extension HTTPExchange {
    /// Why a request's `Origin` keeps it out; `nil` if it doesn't.
    func originFault(of request: HTTPRequest) -> HTTPFault? {
        guard let origin = request.headerFields[.origin],
            !settings.origins.allows(origin, to: request.authority)
        else { return nil }
        // It is named to the page's author, if it is one.
        let isNamed = origin.utf8.count <= 200 && Origin(origin) != nil
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
