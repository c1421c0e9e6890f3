import TLSFilter
import UVTransport

/// The attempts to connect to one host, which may have several addresses (RFC 8305 §5).
///
/// The next address is tried as soon as an attempt fails, or some time later while it doesn't
/// answer. The first connection that is made is used for the opening handshake, and the other
/// attempts are cancelled: a server sees one request.
final class AddressRace: TimerEntry, @unchecked Sendable {
    // Safety: accessed only on the loop of its resources, from `begin` on.

    /// The milliseconds after which the next address is tried as well: the "Connection Attempt
    /// Delay" that RFC 8305 §8 recommends.
    static let attemptDelay: UInt64 = 250

    private let addresses: [ConnectAddress]
    private let tls: TLSClientSettings?
    private let options: SessionOptions
    private let timeout: UInt64
    private let attemptDelay: UInt64
    private let makeExchange: () -> ClientExchange
    private var resources: LoopResources?
    private var deadline: UInt64 = 0
    private var next = 0
    private var running: [ClientExchange] = []
    private var isCancelled = false
    private var completion: ((ClientExchange.Outcome) -> Void)?

    /// - Parameters:
    ///   - addresses: In the system's order of preference.
    ///   - tls: The settings of TLS; `nil` is plain TCP.
    ///   - timeout: The time for all attempts together.
    ///   - makeExchange: Makes the exchange for an address.
    init(
        _ addresses: [ConnectAddress], tls: TLSClientSettings? = nil, options: SessionOptions,
        timeout: Duration,
        attemptDelay: UInt64 = AddressRace.attemptDelay,
        makeExchange: @escaping () -> ClientExchange
    ) {
        self.addresses = Self.alternating(addresses) { $0.socketAddress.family }
        self.tls = tls
        self.options = options
        self.attemptDelay = attemptDelay
        self.timeout = timeout.milliseconds
        self.makeExchange = makeExchange
    }

    /// Returns the items so that their families alternate, beginning with that of the first one
    /// (RFC 8305 §4): a network where one family leads nowhere then costs one delay.
    static func alternating<Item, Family: Equatable>(
        _ items: [Item], by family: (Item) -> Family
    ) -> [Item] {
        guard let first = items.first.map(family) else { return [] }
        let preferred = items.filter { family($0) == first }
        let others = items.filter { family($0) != first }
        var result: [Item] = []
        for index in 0..<max(preferred.count, others.count) {
            if index < preferred.count { result.append(preferred[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }

    /// Starts, on the loop of the resources. Calls `completion` exactly once.
    func begin(
        on resources: LoopResources, completion: @escaping (ClientExchange.Outcome) -> Void
    ) {
        self.resources = resources
        self.completion = completion
        deadline = resources.loop.now + timeout
        if isCancelled { return finish(.failure(ClientError(.cancelled, "cancelled"))) }
        guard !addresses.isEmpty else {
            return finish(.failure(ClientError(.cannotConnect, "the host has no address")))
        }
        startNext()
    }

    /// Cancels all attempts, on the loop.
    func cancel() {
        isCancelled = true
        finish(.failure(ClientError(.cancelled, "cancelled")))
    }

    override func deadlinePassed(now: UInt64) { startNext() }

    private func startNext() {
        guard completion != nil, next < addresses.count, let resources else { return }
        let exchange = makeExchange()
        let address = addresses[next]
        next += 1
        running.append(exchange)
        exchange.begin(address, tls: tls, on: resources, options: options, deadline: deadline) {
            [self, unowned exchange] in
            connected(exchange)
        } completion: { [self, unowned exchange] in
            ended(exchange, $0)
        }
        // The attempt may have failed at once, and a later one as well.
        if completion != nil, next < addresses.count {
            resources.loop.schedule(self, at: resources.loop.now + attemptDelay)
        }
    }

    /// Leaves the race to the first exchange that has a connection.
    private func connected(_ winner: ClientExchange) {
        next = addresses.count
        resources?.loop.cancel(self)
        let others = running.filter { $0 !== winner }
        running = [winner]
        for exchange in others { exchange.cancel() }
    }

    private func ended(_ exchange: ClientExchange, _ outcome: ClientExchange.Outcome) {
        guard let index = running.firstIndex(where: { $0 === exchange }) else { return }
        running.remove(at: index)
        if case .failure(let error) = outcome, error.code == .cannotConnect {
            if next < addresses.count { return startNext() }
            if !running.isEmpty { return }
        }
        finish(outcome)
    }

    private func finish(_ outcome: ClientExchange.Outcome) {
        guard let completion else { return }
        self.completion = nil
        resources?.loop.cancel(self)
        let rest = running
        running = []
        for exchange in rest { exchange.cancel() }
        completion(outcome)
    }
}
