import RealtimeApp
import WebSocketServer

/// The parts of the program that the routes of the admin listener use.
struct AdminContext: Sendable {
    /// The public server, which the admin listener asks and controls.
    let server: Server
    let app: RealtimeApp
    let loaded: Loaded
    let reloads: ReloadRequests

    var settings: AdminSettings { loaded.settings.admin }
}

/// Returns the routes of the admin listener.
func adminRouter(_ context: AdminContext) -> Router {
    var router = Router()
    router.add(middleware: AdminHostCheck(context.settings))
    let server = context.server
    context.app.addHealth(to: &router) { _ in
        if !server.isRunning { return "the server is starting" }
        return server.isDraining ? RealtimeApp.drainingFault : nil
    }
    var protection: [any Middleware] = []
    if let token = context.settings.token {
        protection.append(
            BearerAuthentication { isEqualInConstantTime($0, token) ? AdminAccess() : nil })
    }
    router.group(middleware: protection) { router in
        addReload(context.reloads, to: &router)
        // One line for the routes of each part, which need the token.
    }
    return router
}

/// The permission of a request with the token.
struct AdminAccess: Sendable {}

/// Returns whether a given token is the expected one. The time depends only on the given token.
func isEqualInConstantTime(_ given: String, _ expected: String) -> Bool {
    let (given, expected) = (Array(given.utf8), Array(expected.utf8))
    var difference: UInt8 = given.count == expected.count ? 0 : 1
    for index in given.indices {
        difference |= given[index] ^ expected[index % expected.count]
    }
    return difference == 0
}
