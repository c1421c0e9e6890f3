import HTTPProtocol
import Logging
import Synchronization
import UVTransport

/// The state that all loops of one server read. A reload replaces the settings.
final class ServerShared: Sendable {
    /// Whether the loops' clocks stand still until a test moves them.
    let isClockManual: Bool
    private let settings: Mutex<HTTPSettings>
    let flags = ServiceFlags()
    let logger: Logger
    let admission: Admission
    let budgets: MemoryBudgets
    let broker: any Broker
    /// The bytes that wait for slow consumers.
    let backlogBudget: ByteBudget
    /// The bytes of publications that the loops have not delivered yet.
    let deliveryBudget: ByteBudget
    let publisher: Publisher
    /// Whether publications have been dropped, so that subscribers must be treated as after any
    /// gap. Set until the loops have caught up.
    let isOverloaded = Atomic<Bool>(false)
    let warnings: ServerWarnings
    let overload: Overload
    private let lastLedger = Mutex<Ledger?>(nil)

    init(
        configuration: ServerConfiguration, router: Router, broker: any Broker, logger: Logger,
        isClockManual: Bool = false
    ) {
        self.isClockManual = isClockManual
        self.broker = broker
        backlogBudget = ByteBudget(max: configuration.topics.backlogMax.bytes)
        deliveryBudget = ByteBudget(max: configuration.topics.backlogMax.bytes)
        publisher = Publisher(broker: broker, budget: deliveryBudget)
        self.logger = logger
        warnings = ServerWarnings(logger: logger)
        overload = Overload(configuration.overload, loopCount: configuration.loopCount)
        settings = Mutex(
            HTTPSettings(
                configuration, router: router, publisher: publisher, overload: overload,
                flags: flags, warnings: warnings, logger: logger))
        let limits = configuration.limits
        let budgets = MemoryBudgets(limits, configuration.compression)
        self.budgets = budgets
        admission = Admission(
            max: Self.connectionsMax(limits),
            perAddressMax: limits.connectionsPerAddressMax,
            proxies: configuration.proxies, isOverloaded: { budgets.memory.isOverrun })
    }

    /// The present settings. Each loop has its own copy of the reference, which it replaces at one
    /// of its turns.
    var http: HTTPSettings { settings.withLock { $0 } }
    var configuration: ServerConfiguration { http.configuration }

    private static func connectionsMax(_ limits: Limits) -> Int {
        limits.connectionsMax ?? RangedSettings.connectionsMax.range.upperBound
    }

    /// Replaces the settings, and the sizes that the loops share.
    ///
    /// - Parameter change: Returns the new configuration and router for the present ones.
    func replaceSettings(
        _ change: (ServerConfiguration, Router) -> (ServerConfiguration, Router)
    ) {
        settings.withLock { settings in
            let (configuration, router) = change(settings.configuration, settings.router)
            settings = HTTPSettings(
                configuration, router: router, publisher: publisher, overload: overload,
                flags: flags, earlierRoutes: settings.routes.numbers, warnings: warnings,
                logger: logger)
            let limits = configuration.limits
            budgets.update(limits, configuration.compression)
            backlogBudget.max = configuration.topics.backlogMax.bytes
            deliveryBudget.max = configuration.topics.backlogMax.bytes
            admission.update(
                max: Self.connectionsMax(limits), perAddressMax: limits.connectionsPerAddressMax,
                proxies: configuration.proxies)
        }
    }

    /// Warns if the limit of connections is lower than configured.
    func warnOfLoweredConnections(_ metadata: Logger.Metadata = [:]) {
        let max = admission.max
        guard let wanted = configuration.limits.connectionsMax, max < wanted else { return }
        logger.warning(
            "connections.max is more than there are file descriptors for, and is lowered",
            metadata: ["connections.max": "\(wanted)", "lowered_to": "\(max)"]
                .merging(metadata) { $1 })
    }

    /// The resources left open when the server last stopped; `nil` before that.
    var ledger: Ledger? { lastLedger.withLock { $0 } }
    func setLedger(_ ledger: Ledger) { lastLedger.withLock { $0 = ledger } }
}
