import HTTPTypes

extension OriginCheck {
    /// Returns the answer to OPTIONS: the methods of a resource (RFC 9110 §9.3.7), with the
    /// permissions for a page if it is a preflight.
    ///
    /// - Parameters:
    ///   - access: The pages that may read the response by the server's own policy.
    ///   - isGranted: Whether a middleware allows the page.
    func answerOptions(
        _ request: HTTPRequest, _ methods: [HTTPRequest.Method], access: CrossOriginAccess,
        isGranted: Bool
    ) -> Response {
        let asked = request.headerFields
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        var response = Response(status: .noContent, headerFields: [.allow: allowed])
        // The definition of a preflight is that of the Fetch standard, "CORS-preflight request".
        if asked[.origin] != nil, asked[.accessControlRequestMethod] != nil {
            if !isGranted, let fault = fault(of: request) { return Response(problem: fault) }
            access.addPermissions(methods: allowed, to: &response.headerFields, requested: asked)
        }
        return response
    }
}
