/// The replacement of a server's settings while it runs.
extension Server {
    /// Replaces the settings, and the routes if `router` is given. An invalid configuration changes
    /// nothing.
    ///
    /// New connections and requests get the new settings and routes. Open connections keep their
    /// handlers and the compression that they have negotiated, and get the new limits, rates,
    /// timers and heartbeat of their routes. A connection that exceeds a lowered limit is treated
    /// as the limit says: for example, its next message is too large. Connections beyond lowered
    /// limits of their number stay open.
    ///
    /// - Returns: The names of the settings whose changes were ignored, because they need another
    ///   server: the addresses and what else concerns listening, ``ServerConfiguration/loops``,
    ///   ``ServerConfiguration/handlesSignals``, ``ServerConfiguration/overload``,
    ///   ``Compression/serverWindowBits`` of the server itself, whether ``ServerConfiguration/tls``
    ///   is set, and `router` if its methods and paths differ.
    /// - Throws: ``ConfigurationErrors`` or ``RouteErrors``, as the initializer does.
    @discardableResult
    public func update(
        _ configuration: ServerConfiguration, router: Router? = nil
    ) async throws -> [String] {
        try router?.validate()
        var ignored: [String] = []
        try configuration.validate(with: router ?? shared.http.router)
        shared.replaceSettings { current, currentRouter in
            var new = configuration
            ignored = new.keepFixedSettings(of: current)
            var routes = router ?? currentRouter
            // The figures of routes, and open connections, refer to them by number.
            if !routes.hasSameRoutes(as: currentRouter) {
                ignored.append("router")
                routes = currentRouter
            }
            return (new, routes)
        }
        shared.warnOfLoweredConnections()
        await running?.takeSettings()
        return ignored
    }
}

extension Router {
    /// Returns whether another router has routes for the same methods and paths.
    fileprivate func hasSameRoutes(as other: Router) -> Bool {
        list.elementsEqual(other.list) { $0 == $1 }
    }
}

extension ServerConfiguration {
    /// Takes the settings that can't change while a server runs from `current`. Returns the names
    /// of those that differed.
    fileprivate mutating func keepFixedSettings(of current: ServerConfiguration) -> [String] {
        var ignored: [String] = []
        func keep<Value: Equatable>(
            _ name: String, _ path: WritableKeyPath<ServerConfiguration, Value>
        ) {
            if self[keyPath: path] != current[keyPath: path] { ignored.append(name) }
            self[keyPath: path] = current[keyPath: path]
        }
        keep("addresses", \.addresses)
        keep("loops", \.loops)
        keep("backlog", \.backlog)
        keep("handlesSignals", \.handlesSignals)
        keep("isDualStack", \.isDualStack)
        keep("unixSockets", \.unixSockets)
        keep("names", \.names)
        keep("overload", \.overload)
        // All subscribers with shared contexts have agreed to this window.
        keep("compression.serverWindowBits", \.compression.serverWindowBits)
        if (tls == nil) != (current.tls == nil) {
            ignored.append("tls")
            tls = current.tls
        }
        return ignored
    }
}
