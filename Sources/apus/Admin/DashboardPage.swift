import HTTPTypes
import WebSocketServer

/// The page of the dashboard: one file, nothing from outside.
enum DashboardPage {
    static let response = Response(
        headerFields: [
            .contentType: "text/html; charset=utf-8",
            .cacheControl: "no-cache",
            .xContentTypeOptions: "nosniff",
            // The rest of its policy is in the page; this part only a header can say.
            .contentSecurityPolicy: "frame-ancestors 'none'",
        ],
        body: PackageResources.dashboard_html)
}
