import Logging
import RealtimeApp
import WebSocketServer

/// The settings that the program runs with: a validated snapshot that never changes.
struct Settings: Sendable {
    /// What the library is told: addresses, loops, limits, heartbeat, drain.
    let server: ServerConfiguration
    /// Whether `/echo` and `/broadcast` are served, for conformance and load tools.
    let tools: Bool
    /// Records below this level are dropped.
    let logLevel: Logger.Level
    /// The SQLite file of the tasks; `nil`: no tasks.
    let tasksDatabase: String?
    let routes: PerRoute<RouteSettings>
    let broker: BrokerSettings
    let auth: AuthenticationOptions

    /// The settings that `draft`, whose values are all within their ranges, stands for.
    init(_ draft: SettingsDraft) {
        var server = draft.server
        if let path = draft.socket {
            server.addresses = [.unix(path: path)]
        } else {
            server.addresses = [.hostname(draft.host, port: draft.port)]
        }
        if let loops = draft.loops { server.loops = loops }
        if let connections = draft.connectionsMax { server.limits.connectionsMax = connections }
        self.server = server
        self.tools = draft.tools
        self.logLevel = draft.logLevel
        self.tasksDatabase = draft.tasksDatabase
        self.routes = draft.routes
        self.broker = draft.broker
        self.auth = draft.auth
    }
}

/// The values of all keys while they are being read; one that is new has every default.
///
/// Defaults that the library has a say in are the library's own: they stand in
/// `ServerConfiguration` and nowhere else.
struct SettingsDraft: Sendable {
    var host = "127.0.0.1"
    /// 0 picks a free one.
    var port = 8080
    /// Listened on instead of `host` and `port`.
    var socket: String?
    /// `nil` is one for each core this process may use.
    var loops: Int?
    /// `nil` is derived from `RLIMIT_NOFILE`.
    var connectionsMax: Int?
    /// Everything else; ``Settings`` fills in the values above.
    var server = ServerConfiguration()
    var tools = false
    var tasksDatabase: String? = "apus.sqlite"
    var routes = PerRoute(RouteSettings())
    var broker = BrokerSettings()
    var auth = AuthenticationOptions()
    var logLevel = Logger.Level.info
}
