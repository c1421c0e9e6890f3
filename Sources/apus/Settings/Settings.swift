import Logging
import RealtimeApp
import WebSocketServer

/// The settings of the program: a validated snapshot that never changes.
struct Settings: Sendable {
    /// The configuration of the library: addresses, loops, limits, heartbeat, drain.
    let server: ServerConfiguration
    /// Whether `/echo` and `/broadcast` are served, for conformance and load tools.
    let tools: Bool
    let log: LoggingSettings
    var logLevel: Logger.Level { log.level }
    /// The SQLite file of the tasks; `nil` if there are no tasks.
    let tasksDatabase: String?
    let routes: PerRoute<RouteSettings>
    let broker: BrokerSettings
    let auth: AuthenticationOptions
    let tls: TLSSettings
    /// The path of the socket for the hand-over to a successor.
    let handover: String?
    let admin: AdminSettings

    /// Creates the settings from a draft whose values are all within their ranges.
    init(_ draft: SettingsDraft) {
        var server = draft.server
        if let path = draft.socket {
            server.addresses = [.unix(path: path)]
        } else {
            server.addresses = draft.hosts.map { host in
                switch host {
                case .name(let name): .hostname(name, port: draft.port)
                case .socket(let path): .unix(path: path)
                }
            }
        }
        self.server = server
        self.tools = draft.tools
        self.log = draft.log
        self.tasksDatabase = draft.tasksDatabase
        self.routes = draft.routes
        self.broker = draft.broker
        self.auth = draft.auth
        self.tls = draft.tls
        self.handover = draft.handover
        self.admin = draft.admin
    }
}

/// The values of all keys while they are being read. A new draft has all defaults.
///
/// Defaults that exist in the library too are taken from `ServerConfiguration`, which alone defines
/// them.
struct SettingsDraft: Sendable {
    var hosts = [ListeningPlace.name("127.0.0.1")]
    /// The port to listen on; 0 picks a free one.
    var port = 8080
    /// The path of a socket to listen on instead of `hosts` and `port`.
    var socket: String?
    /// All other settings of the library; ``Settings`` fills in the addresses.
    var server = ServerConfiguration()
    var tools = false
    var tasksDatabase: String? = "apus.sqlite"
    var routes = PerRoute(RouteSettings())
    var broker = BrokerSettings()
    var auth = AuthenticationOptions()
    var tls = TLSSettings()
    var handover: String?
    var log = LoggingSettings()
    var admin = AdminSettings()
}
