import RealtimeApp
import WebSocketServer

/// The settings of one route; `nil` means the server's value.
struct RouteSettings: Sendable {
    var messageSizeMax: ByteCount?
    var messageRateMax: Int??
    var byteRateMax: ByteCount??
    var isCompressionEnabled: Bool?
    var compressionLevel: Int?
    var compressionMemoryLevel: Int?
    var compressionThreshold: ByteCount?
    var serverWindowBits: Int?
    var clientWindowBits: Int?
    var contextTakeover: Compression.ContextTakeover?
    var allowsPeerContextTakeover: Bool?
    var heartbeatInterval: Duration??
    var heartbeatTimeout: Duration?

    /// Replaces the server's values by those of the route.
    @Sendable
    func adjust(_ options: inout ConnectionConfiguration) {
        if let messageSizeMax {
            options.limits.messageSizeMax = messageSizeMax
            // A frame can't be larger than its message.
            options.limits.frameSizeMax = options.limits.frameSizeMax.map {
                min($0, messageSizeMax)
            }
        }
        if let messageRateMax { options.limits.messageRateMax = messageRateMax }
        if let byteRateMax { options.limits.byteRateMax = byteRateMax }
        if let isCompressionEnabled { options.compression.isEnabled = isCompressionEnabled }
        if let compressionLevel { options.compression.level = compressionLevel }
        if let compressionMemoryLevel { options.compression.memoryLevel = compressionMemoryLevel }
        if let compressionThreshold { options.compression.threshold = compressionThreshold }
        if let serverWindowBits { options.compression.serverWindowBits = serverWindowBits }
        if let clientWindowBits { options.compression.clientWindowBits = clientWindowBits }
        if let contextTakeover { options.compression.contextTakeover = contextTakeover }
        if let allowsPeerContextTakeover {
            options.compression.allowsPeerContextTakeover = allowsPeerContextTakeover
        }
        if let heartbeatInterval { options.heartbeat.interval = heartbeatInterval }
        if let heartbeatTimeout { options.heartbeat.timeout = heartbeatTimeout }
    }
}

/// A value for each route.
struct PerRoute<Value: Sendable>: Sendable {
    private var values: [Value]

    init(_ value: Value) {
        values = RealtimeApp.Route.allCases.map { _ in value }
    }

    subscript(route: RealtimeApp.Route) -> Value {
        get { values[Self.index(of: route)] }
        set { values[Self.index(of: route)] = newValue }
    }

    private static func index(of route: RealtimeApp.Route) -> Int {
        RealtimeApp.Route.allCases.firstIndex(of: route)!
    }
}
