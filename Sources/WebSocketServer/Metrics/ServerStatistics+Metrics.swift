import HTTPTypes

/// The figures as metrics: their names without a prefix, in base units.
///
/// The values of labels come from the program, never from a peer, so that peers can't add metrics.
extension ServerStatistics {
    package var metrics: [MetricFamily] {
        var list = MetricList()
        addConnections(to: &list)
        addWebSockets(to: &list)
        addMessages(to: &list)
        addHTTP(to: &list)
        addLimits(to: &list)
        addTopics(to: &list)
        addCompression(to: &list)
        addTLS(to: &list)
        addLoops(to: &list)
        return list.families
    }

    private func addConnections(to list: inout MetricList) {
        list.gauge(
            "connections_open", "Open connections, those that are no WebSockets included.",
            connections.open)
        list.gauge(
            "connections_waiting",
            "Open connections that await a request, must authenticate, or are being closed.",
            connections.waiting)
        list.gauge(
            "connections_max", "The most connections that are served at a time.",
            connections.max)
        list.counter("connections_accepted_total", "Accepted connections.", counters.accepted)
        list.counter(
            "connections_refused_total",
            "Refused connections and upgrades: when they were accepted, with 503 because of the "
                + "headroom or of overload, or with 1008 because of a limit of connections.",
            by: "reason",
            [
                ("accept", counters.refusedAtAccept), ("headroom", counters.refusedByHeadroom),
                ("limit", counters.refusedByLimit), ("overload", counters.refusedByOverload),
            ])
        list.counter(
            "connections_evicted_total", "Waiting connections that were closed for newer ones.",
            counters.evicted)
        list.counter(
            "accept_errors_total", "Failed attempts to accept a connection.",
            counters.acceptErrors)
        list.gauge(
            "server_draining", "1 once a stop has begun or the server is drained, else 0.",
            isDraining ? 1 : 0)
        list.gauge(
            "server_overloaded", "1 while new connections are refused because of the load, else 0.",
            isOverloaded ? 1 : 0)
    }

    /// The routes of WebSockets.
    private var webSockets: [RouteStatistics] { routes.filter(\.isWebSocket) }

    private func addWebSockets(to list: inout MetricList) {
        list.gauge(
            "websocket_connections_open", "Open WebSocket connections.", by: "route",
            webSockets.map { ($0.path, $0.open) })
        list.counter(
            "websocket_connections_opened_total", "Opened WebSocket connections.", by: "route",
            webSockets.map { ($0.path, $0.opened) })
        list.counter(
            "websocket_connections_closed_total",
            "Ended WebSocket connections by close code. 1006 is the end without a Close frame.",
            by: "code", CloseCodeLabels.sums(of: counters.closedByCode))
        list.counter(
            "websocket_faults_total",
            "Connections that were closed for an error of the peer or a limit, by the code sent.",
            by: "code", CloseCodeLabels.sums(of: counters.failedByCode))
        list.counter(
            "websocket_timeouts_total",
            "Connections closed because the peer was silent, sent no messages for too long, or did "
                + "not finish the closing handshake, or because their lifetime was over.",
            by: "kind",
            [
                ("heartbeat", counters.heartbeatTimeouts), ("idle", counters.idleTimeouts),
                ("close", counters.closeTimeouts), ("lifetime", counters.lifetimesOver),
            ])
        list.histogram(
            "websocket_handshake_duration_seconds",
            "Time from the first byte of an upgrade request to its 101 response.",
            openingHandshakes)
    }

    private func addMessages(to list: inout MetricList) {
        list.counter(
            "websocket_messages_received_total", "Received messages.", by: "route",
            webSockets.map { ($0.path, $0.messages.messagesReceived) })
        list.counter(
            "websocket_messages_sent_total", "Sent messages.", by: "route",
            webSockets.map { ($0.path, $0.messages.messagesSent) })
        list.counter(
            "websocket_received_bytes_total", "Bytes of received messages, decompressed.",
            by: "route", webSockets.map { ($0.path, $0.messages.bytesReceived) })
        list.counter(
            "websocket_sent_bytes_total", "Bytes of sent messages before compression.",
            by: "route", webSockets.map { ($0.path, $0.messages.bytesSent) })
        list.counter("websocket_pings_sent_total", "Sent pings.", counters.pingsSent)
        list.counter("websocket_pings_received_total", "Received pings.", counters.pingsReceived)
        list.counter("websocket_pongs_received_total", "Received pongs.", counters.pongsReceived)
    }

    private func addHTTP(to list: inout MetricList) {
        list.counter("http_requests_total", "HTTP requests, upgrades included.", counters.requests)
        // A path may have a WebSocket and a GET, which are one series.
        var routed: [MetricFamily.Sample] = []
        for (index, route) in routes.enumerated() {
            func isSame(_ other: RouteStatistics) -> Bool {
                other.method == route.method && other.path == route.path
            }
            if routes[..<index].contains(where: isSame) { continue }
            let responses = routes[index...].filter(isSame).reduce(into: [:]) {
                $0.merge($1.responses, uniquingKeysWith: +)
            }
            routed += Self.samples(responses, method: route.method.rawValue, route: route.path)
        }
        list.add(
            .counter, "http_responses_total",
            "HTTP responses, by the route of the request (none if there was no route). A 101 is an "
                + "accepted upgrade.",
            routed + Self.samples(unroutedResponses, method: "other", route: "none"))
        list.counter(
            "http_misdirected_total",
            "Requests refused because their Host is no name of the server.",
            counters.misdirected)
        list.counter(
            "http_timeouts_total", "Requests that did not arrive in time, and responses not read.",
            counters.handshakeTimeouts)
    }

    private static func samples(
        _ responses: [Int: Int], method: String, route: String
    ) -> [MetricFamily.Sample] {
        responses.sorted { $0.key < $1.key }.map { status, count in
            .init(
                .integer(count),
                by: [("method", method), ("route", route), ("status", "\(status)")])
        }
    }

    private func addLimits(to list: inout MetricList) {
        let limits = counters.limits
        list.counter(
            "limits_exceeded_total", "The number of times that peers exceeded a limit.",
            by: "limit",
            [
                ("frame_size", limits.frameSize), ("message_size", limits.messageSize),
                ("fragments", limits.fragments), ("inflated_size", limits.inflatedSize),
                ("assembly_size", limits.assemblySize), ("message_rate", limits.messageRate),
                ("byte_rate", limits.byteRate), ("message_time", limits.messageTime),
                ("memory", limits.memory), ("authentication_time", limits.authenticationTime),
            ])
        list.counter(
            "memory_shed_total", "The number of times that connections were closed for memory.",
            counters.shed)
        let budgets = [
            ("memory", memory), ("assembly", assemblies), ("contexts", contexts),
            ("backlog", backlogs), ("delivery", deliveries),
        ]
        list.gauge(
            "budget_used_bytes",
            "Bytes that are held: all that peers cause, partly received messages, compression "
                + "contexts, backlogs of slow consumers, publications to be delivered.",
            by: "budget", budgets.map { ($0.0, $0.1.used) })
        list.gauge(
            "budget_max_bytes", "The most bytes that may be held.", by: "budget",
            budgets.map { ($0.0, $0.1.max) })
    }
}
