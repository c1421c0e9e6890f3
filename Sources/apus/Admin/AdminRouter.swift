import HTTPProtocol
import Logging
import RealtimeApp
import WebSocketServer

/// The parts of the program that the routes of the admin listener use.
struct AdminContext: Sendable {
    /// The public server, which the admin listener asks and controls.
    let server: Server
    let app: RealtimeApp
    /// Returns the configuration in effect.
    let loaded: @Sendable () -> Loaded
    /// The settings of the admin listener, as they were when it started.
    let settings: AdminSettings
    let logger: Logger
    /// The settings of the log, of which the level can be changed.
    let log: LogSettings
    let reloads: ReloadRequests
}

/// Returns the routes of the admin listener.
func adminRouter(_ context: AdminContext, dashboard: Dashboard) -> Router {
    var router = Router()
    router.add(middleware: AdminHostCheck(context.settings))
    let server = context.server
    context.app.addHealth(to: &router) { _ in
        if !server.isRunning { return "the server is starting" }
        if server.isDraining { return RealtimeApp.drainingFault }
        return server.isOverloaded ? RealtimeApp.overloadFault : nil
    }
    dashboard.add(to: &router, token: context.settings.token)
    var protection: [any Middleware] = []
    if let token = context.settings.token {
        protection.append(
            BearerAuthentication { ExactString($0).isSecret(token) ? AdminAccess() : nil })
    }
    router.group(middleware: protection) { router in
        // One line for the routes of each part, which need the token.
        AdminConnectionRoutes.add(to: &router, server, context.logger)
        AdminTopicRoutes.add(to: &router, context)
        AdminServerRoutes.add(to: &router, context)
        addMetrics(to: &router, of: server)
        addReload(context.reloads, to: &router)
        LogLevelRoutes.add(to: &router, context.log, context.logger)
    }
    return router
}

/// The permission of a request with the token.
struct AdminAccess: Sendable {}
