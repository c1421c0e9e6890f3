import WebSocketServer

/// The page on which a person tries the features in a browser: one file, nothing from outside.
enum Page {
    static let response = Response(
        headerFields: [
            .contentType: "text/html; charset=utf-8",
            .cacheControl: "no-cache",
            // The page itself has the rest of the policy. This directive works only in a header.
            .contentSecurityPolicy: "frame-ancestors 'none'",
        ],
        body: PackageResources.index_html)
}
