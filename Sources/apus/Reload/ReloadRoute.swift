import Foundation
import HTTPTypes
import WebSocketServer

/// Adds `POST /admin/reload`, which answers 200 with the changed keys, or 422 with the errors of
/// the configuration, with which nothing changes.
func addReload(_ reloads: ReloadRequests, to router: inout Router) {
    router.post("/admin/reload") { _ in
        let report = await reloads.reload()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return Response(
            status: report.isSuccess ? .ok : .unprocessableContent,
            headerFields: [.contentType: "application/json", .cacheControl: "no-store"],
            body: [UInt8](try encoder.encode(report)))
    }
}
