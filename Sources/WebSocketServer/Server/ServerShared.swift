import HTTPProtocol
import Logging
import Synchronization
import UVTransport

/// The state that all loops of one server read. It is fixed once the server runs.
final class ServerShared: Sendable {
    let configuration: ServerConfiguration
    /// Whether the loops' clocks stand still until a test moves them.
    let isClockManual: Bool
    let http: HTTPSettings
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
        self.configuration = configuration
        publisher = Publisher(broker: broker, budget: deliveryBudget)
        self.logger = logger
        warnings = ServerWarnings(logger: logger)
        overload = Overload(configuration.overload, loopCount: configuration.loopCount)
        http = HTTPSettings(
            configuration, router: router, publisher: publisher, overload: overload,
            warnings: warnings, logger: logger)
        let limits = configuration.limits
        let budgets = MemoryBudgets(limits, configuration.compression)
        self.budgets = budgets
        admission = Admission(
            max: limits.connectionsMax ?? RangedSettings.connectionsMax.range.upperBound,
            perAddressMax: limits.connectionsPerAddressMax,
            proxies: configuration.proxies, isOverloaded: { budgets.memory.isOverrun })
    }

    /// The resources left open when the server last stopped; `nil` before that.
    var ledger: Ledger? { lastLedger.withLock { $0 } }
    func setLedger(_ ledger: Ledger) { lastLedger.withLock { $0 = ledger } }
}
