import HTTPTypes
import WebSocketServer

/// The page of the dashboard: one file, nothing from outside.
enum DashboardPage {
    static let response = Response(
        headerFields: [
            .contentType: "text/html; charset=utf-8",
            .cacheControl: "no-cache",
            .xContentTypeOptions: "nosniff",
            // The page itself has the rest of the policy. This directive works only in a header.
            .contentSecurityPolicy: "frame-ancestors 'none'",
        ],
        body: PackageResources.dashboard_html)
}
