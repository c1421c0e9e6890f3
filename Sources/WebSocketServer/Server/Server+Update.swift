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
    ///   server: ``ServerConfiguration/addresses``, ``ServerConfiguration/loops``,
    ///   ``ServerConfiguration/backlog``, ``ServerConfiguration/isDualStack``,
    ///   ``ServerConfiguration/unixSockets``, ``ServerConfiguration/names``,
    ///   ``ServerConfiguration/handlesSignals``, ``ServerConfiguration/measuresTurns``,
    ///   ``ServerConfiguration/overload``, ``Compression/serverWindowBits`` of the server itself,
    ///   and whether ``ServerConfiguration/tls`` is set.
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
            return (new, router ?? currentRouter)
        }
        shared.warnOfLoweredConnections()
        await running?.takeSettings()
        return ignored
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
        keep("measuresTurns", \.measuresTurns)
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
