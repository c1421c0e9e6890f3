import HTTPTypes
import WebSocketServer

/// The response to `GET /about`: the program's version, and every route with its requirements and
/// permissions. Anyone may read it, so it has nothing that a client couldn't find out by trying.
struct About: Encodable {
    struct Route: Encodable {
        let method: String
        let path: String
        /// `websocket` or `http`.
        let kind: String
        /// Whether a token is needed.
        let token: Bool
        /// The maximum bytes of one message.
        var message_max: Int?
        /// The limits of messages and bytes per second; absent if there is no limit.
        var message_rate: Int?
        var byte_rate: Int?
        /// Whether permessage-deflate is agreed to.
        var compression: Bool?
        /// The maximum bytes of a request's body, if it may have one.
        var body_max: Int?
    }

    /// The version; absent if there is none.
    let version: String?
    /// The routes: WebSockets first, in order of their paths.
    let routes: [Route]
}

extension RealtimeApp {
    /// Returns what `GET /about` says about the routes of a router.
    func about(_ router: Router) -> About {
        let routes = router.list.sorted {
            ($0.isWebSocket ? 0 : 1, $0.path, $0.method.rawValue)
                < ($1.isWebSocket ? 0 : 1, $1.path, $1.method.rawValue)
        }
        return About(
            version: version.isEmpty ? nil : version,
            routes: routes.map { describe($0.method, $0.path, isWebSocket: $0.isWebSocket) })
    }

    private func describe(
        _ method: HTTPRequest.Method, _ path: String, isWebSocket: Bool
    ) -> About.Route {
        guard isWebSocket else {
            let feature = Self.feature(ofRequestsTo: path)
            return About.Route(
                method: method.rawValue, path: path, kind: "http",
                token: feature.map(authentication.demandsToken) ?? false,
                body_max: method == .get ? nil : options.limits.bodySizeMax.bytes)
        }
        var options = self.options
        let route = Route.allCases.first { $0.path == path }
        if let route { adjustment(route)(&options) }
        return About.Route(
            method: method.rawValue, path: path, kind: "websocket",
            token: route.map(authentication.demandsToken) ?? false,
            message_max: options.limits.messageSizeMax.bytes,
            message_rate: options.limits.messageRateMax,
            byte_rate: options.limits.byteRateMax?.bytes,
            compression: options.compression.isEnabled)
    }

    /// Returns the feature that may require a token for plain requests to a path.
    private static func feature(ofRequestsTo path: String) -> Authentication.Feature? {
        switch path {
        case "/tasks": .tasks
        case "/publish/{channel}": .publish
        default: nil
        }
    }
}
