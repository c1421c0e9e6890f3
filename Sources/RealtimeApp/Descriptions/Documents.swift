import HTTPTypes
import WebSocketServer

/// The routes that describe all routes, for pages and other programs.
extension RealtimeApp {
    /// Adds `GET /about`, `GET /openapi.json` and `GET /asyncapi.json`. They list all routes that
    /// have been added before them, and themselves.
    func addDescriptions(to router: inout Router) {
        let routes: [(path: String, description: RouteDescription)] = [
            ("/about", .about), ("/openapi.json", .openAPI), ("/asyncapi.json", .asyncAPI),
        ]
        var all = router
        for route in routes {
            // They must be in the list before their responses can be made of it.
            all.get(route.path, description: route.description) { _ in Response(status: .ok) }
        }
        let (title, version) = ("Apus", self.version.isEmpty ? "unknown" : self.version)
        let responses = [
            Response.encoding(about(all)),
            Response.encoding(
                all.openAPI(
                    title: title, version: version,
                    details: "The HTTP routes. `/asyncapi.json` describes the WebSockets.")),
            Response.encoding(
                all.asyncAPI(
                    title: title, version: version,
                    details: "The WebSocket routes. `/openapi.json` describes those for HTTP.")),
        ]
        for (route, response) in zip(routes, responses) {
            var response = response
            response.headerFields[.cacheControl] = "no-cache"
            router.get(route.path, description: route.description) { [response] _ in response }
        }
    }
}
