import HTTPProtocol
import Logging
import Synchronization

/// The settings of a server, and all that is made of them: routes, limits, and access.
///
/// They never change. A reload replaces them: each loop takes over the new ones at one of its
/// turns.
final class HTTPSettings: Sendable {
    let configuration: ServerConfiguration
    let router: Router
    let routes: RouteTable
    let publisher: Publisher
    let overload: Overload
    let origins: OriginPolicy
    let originCheck: OriginCheck
    let proxies: ProxyConfiguration
    let limits: HTTPLimits
    /// The time limit for a request to arrive, in milliseconds; see ``Limits/handshakeTimeout``.
    let handshakeTimeout: UInt64
    /// The options of connections whose route adjusts nothing.
    let sessionOptions: SessionOptions
    /// The options of the routes, by the router's numbers.
    private let adjustedOptions: [SessionOptions]
    private let optionsByPath: [String: SessionOptions]
    let flags: ServiceFlags

    init(
        _ configuration: ServerConfiguration, router: Router, publisher: Publisher,
        overload: Overload = Overload(OverloadConfiguration(), loopCount: 1),
        flags: ServiceFlags = ServiceFlags(), earlierRoutes: RouteNumbers = RouteNumbers(),
        warnings: ServerWarnings, logger: Logger
    ) {
        self.configuration = configuration
        self.router = router
        self.publisher = publisher
        self.overload = overload
        self.flags = flags
        origins = configuration.origins
        originCheck = OriginCheck(origins: configuration.origins, logger: logger)
        routes = RouteTable(
            router, origins: originCheck, earlier: earlierRoutes, warnings: warnings,
            logger: logger)
        proxies = configuration.proxies
        let options = ConnectionConfiguration(
            limits: configuration.limits, heartbeat: configuration.heartbeat,
            compression: configuration.compression)
        sessionOptions = SessionOptions(options)
        let paths = router.adjustedPaths.reduce(into: [:]) { $0[$1.index] = $1.path }
        adjustedOptions = router.adjustments.enumerated().map { index, adjust in
            var adjusted = options
            adjust(&adjusted)
            return SessionOptions(adjusted, route: paths[index])
        }
        optionsByPath = adjustedOptions.reduce(into: [:]) { all, options in
            if let path = options.route { all[path] = options }
        }
        limits = HTTPLimits(configuration.limits)
        handshakeTimeout = configuration.limits.handshakeTimeout.milliseconds
    }

    func options(of route: Router.OptionsIndex?) -> SessionOptions {
        route.map { adjustedOptions[$0] } ?? sessionOptions
    }

    /// Returns the options that replace those of earlier settings.
    func options(replacing earlier: SessionOptions) -> SessionOptions {
        earlier.route.flatMap { optionsByPath[$0] } ?? sessionOptions
    }

    /// Whether load balancers should send clients elsewhere.
    var isDraining: Bool { flags.isDraining }
}

/// The flags that take a server out of service. A reload doesn't change them.
final class ServiceFlags: Sendable {
    /// A stop has begun; connections may still be served, see ``Drain/delay``.
    let isStopping = Atomic<Bool>(false)
    /// Upgrades are refused, see ``Server/drain()``.
    let isDrained = Atomic<Bool>(false)

    var isDraining: Bool {
        isStopping.load(ordering: .relaxed) || isDrained.load(ordering: .relaxed)
    }
}
