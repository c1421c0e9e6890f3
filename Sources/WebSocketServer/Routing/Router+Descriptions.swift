extension Router {
    /// Returns the routes for requests as a document of OpenAPI 3.1. Tools show it, make clients of
    /// it and test a server by it.
    ///
    /// Routes without a description are in it, too. Its paths have no types of parameters, and no
    /// WebSockets, which ``asyncAPI(title:version:details:)`` has.
    ///
    /// - Parameters:
    ///   - title: The name of the application.
    ///   - version: The version of the application.
    ///   - details: What the application is for, in Markdown; may be empty.
    public func openAPI(title: String, version: String, details: String = "") -> APIDocument {
        OpenAPIDocument.make(title: title, version: version, details: details, described)
    }

    /// Returns the WebSocket routes as a document of AsyncAPI 3.0.
    ///
    /// - Parameters:
    ///   - title: The name of the application.
    ///   - version: The version of the application.
    ///   - details: What the application is for, in Markdown; may be empty.
    public func asyncAPI(title: String, version: String, details: String = "") -> APIDocument {
        AsyncAPIDocument.make(title: title, version: version, details: details, described)
    }

    private var described: [DescribedRoute] {
        routes.map { route in
            let segments = route.pattern.segments.map { segment -> DescribedRoute.Segment in
                switch segment {
                case .literal(let text): .literal(text.string)
                case .text(let name), .rest(let name): .parameter(name, isInteger: false)
                case .integer(let name): .parameter(name, isInteger: true)
                }
            }
            let description: DescribedRoute.Description =
                switch route.target {
                case .upgrade: .webSocket(route.webSocketDescription)
                case .respond(let method, _):
                    .request(method: method.rawValue, route.requestDescription)
                }
            return DescribedRoute(segments: segments, description: description)
        }
    }
}
