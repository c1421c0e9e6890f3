import WebSocketServer

/// The page on which a person tries the features in a browser: one file, nothing from outside.
enum Page {
    static let response = Response(
        headerFields: [
            .contentType: "text/html; charset=utf-8",
            .cacheControl: "no-cache",
            // The rest of its policy is in the page; this part only a header can say.
            .contentSecurityPolicy: "frame-ancestors 'none'",
        ],
        body: PackageResources.index_html)
}
