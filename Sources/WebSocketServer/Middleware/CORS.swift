import HTTPTypes

/// Lets pages of further origins use routes (the Fetch standard, "CORS protocol").
///
/// Pages of these origins may send requests to the routes, open their WebSockets and read their
/// responses. ``ServerConfiguration/origins`` still applies to all routes. Credentials, such as
/// cookies, are not allowed.
///
/// Browsers ask before some requests, by OPTIONS (a preflight). Only the middleware of the server's
/// own router gets such requests, so add it there: `router.add(middleware: CORS(allowing: origins))`.
/// In a group, it is enough for responses to simple requests, such as GET, and for WebSockets.
public struct CORS: Middleware {
    private let origins: OriginPolicy

    /// Creates the middleware.
    ///
    /// - Parameter origins: The origins of the pages. ``OriginPolicy/allowsSameOrigin`` has no
    ///   effect here.
    public init(allowing origins: OriginPolicy) { self.origins = origins }

    public func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response {
        let fields = request.head.headerFields
        let access = origins.access(for: fields[.origin])
        var request = request
        if fields[.origin] != nil, access.isGranted { request.values[GrantedOrigin.self] = true }
        var response = try await next(request)
        if response.status == .switchingProtocols { return response }
        if request.isUnroutedOptions, fields[.accessControlRequestMethod] != nil {
            access.addPermissions(
                methods: response.headerFields[.allow] ?? "", to: &response.headerFields,
                requested: fields)
        }
        access.add(to: &response.headerFields)
        return response
    }
}
