import HTTPProtocol
import Logging
import Synchronization

/// The settings of a server's HTTP: routes, limits, and access.
final class HTTPSettings: Sendable {
    let routes: RouteTable
    let publisher: Publisher
    let overload: Overload
    let origins: OriginPolicy
    let originCheck: OriginCheck
    let proxies: ProxyOptions
    let limits: HTTPLimits
    /// The time limit for a request to arrive, in milliseconds; see ``Limits/handshakeTimeout``.
    let handshakeTimeout: UInt64
    /// The options of connections whose route adjusts nothing.
    let sessionOptions: SessionOptions
    /// The options of the routes, by the router's numbers.
    private let adjustedOptions: [SessionOptions]
    /// A stop has begun; connections may still be served, see ``Drain/delay``.
    let isStopping = Atomic<Bool>(false)
    /// Upgrades are refused, see ``Server/drain()``.
    let isDrained = Atomic<Bool>(false)

    init(
        _ configuration: ServerConfiguration, router: Router, publisher: Publisher,
        overload: Overload = Overload(OverloadOptions(), loopCount: 1), warnings: ServerWarnings,
        logger: Logger
    ) {
        self.publisher = publisher
        self.overload = overload
        origins = configuration.origins
        originCheck = OriginCheck(origins: configuration.origins, logger: logger)
        routes = RouteTable(router, origins: originCheck, warnings: warnings, logger: logger)
        proxies = configuration.proxies
        let options = ConnectionOptions(
            limits: configuration.limits, heartbeat: configuration.heartbeat,
            compression: configuration.compression)
        sessionOptions = SessionOptions(options)
        adjustedOptions = router.adjustments.map { adjust in
            var adjusted = options
            adjust(&adjusted)
            return SessionOptions(adjusted)
        }
        limits = HTTPLimits(configuration.limits)
        handshakeTimeout = configuration.limits.handshakeTimeout.milliseconds
    }

    /// Whether load balancers should send clients elsewhere.
    var isDraining: Bool {
        isStopping.load(ordering: .relaxed) || isDrained.load(ordering: .relaxed)
    }

    func options(of route: Router.OptionsIndex?) -> SessionOptions {
        route.map { adjustedOptions[$0] } ?? sessionOptions
    }
}
