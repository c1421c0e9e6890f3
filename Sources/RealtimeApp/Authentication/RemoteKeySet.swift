import Foundation
import HTTPTypes
import Logging
import Synchronization
import WebSocketServer

/// The JWK Set at a URL, which is fetched again from time to time, and when a token has an unknown
/// key. Any thread may use it; no event loop of the server waits for it.
///
/// While the URL can't be reached, or has no valid set, the keys of the last valid one remain.
final class RemoteKeySet: Sendable {
    /// The limits of one request.
    private static let sizeMax = 1 << 20
    private static let timeout = Duration.seconds(10)

    let url: String
    private let client: WebSocketClient
    private let interval: Duration
    private let pause: Duration
    private let logger: Logger
    private let state = Mutex(RemoteKeySetState())
    private let refreshing = Mutex<Task<Void, Never>?>(nil)

    init(_ url: String, _ options: AuthenticationOptions, logger: Logger)
        throws(AuthenticationFault)
    {
        self.url = url
        self.logger = logger
        interval = options.keySetInterval
        pause = options.keySetPause
        var limits = Limits()
        limits.handshakeTimeout = Self.timeout
        // One byte more shows that a body is too large.
        limits.bodySizeMax = .bytes(Self.sizeMax + 1)
        do {
            client = try WebSocketClient(limits: limits, logger: logger)
        } catch {
            throw AuthenticationFault("auth.jwt.jwks", "\(error)")
        }
    }

    deinit { stop() }

    /// Ends the regular requests.
    func stop() { refreshing.withLock { $0?.cancel() } }

    /// The keys of the last valid set; none before.
    var keys: KeySet { state.withLock { $0.keys } }

    /// Whether the options ask for the same set in the same way.
    func serves(_ options: AuthenticationOptions) -> Bool {
        options.keySetPath == url && options.keySetInterval == interval
            && options.keySetPause == pause
    }

    /// Takes over the keys of another set, until the first request is answered.
    func begin(with keys: KeySet) { state.withLock { $0.keys = keys } }

    /// Fetches the set now, and then at intervals.
    func start() async {
        await refresh()
        refreshing.withLock { task in
            guard task == nil else { return }
            task = Task { [weak self] in
                while let delay = self?.delay {
                    do { try await Task.sleep(for: delay) } catch { return }
                    await self?.refresh()
                }
            }
        }
    }

    /// The time until the next regular request.
    private var delay: Duration {
        state.withLock { $0.hasFailed ? min(pause, interval) : interval }
    }

    /// Fetches the set because a token has an unknown key, unless that has been done just before.
    func refreshSoon() {
        guard state.withLock({ $0.mayBegin(at: .now, after: pause) }) else { return }
        Task { await fetch() }
    }

    private func refresh() async {
        guard state.withLock({ $0.mayBegin(at: .now, after: .zero) }) else { return }
        await fetch()
    }

    private func fetch() async {
        do {
            let (response, body) = try await client.get(url, headerFields: [.accept: "*/*"])
            guard response.status == .ok else {
                throw AuthenticationFault("auth.jwt.jwks", "the status is \(response.status)")
            }
            guard body.count <= Self.sizeMax else {
                throw AuthenticationFault("auth.jwt.jwks", "the set is larger than 1MiB")
            }
            var keys = KeySet()
            let skipped = try await keys.add(jwks: Data(body))
            let isNew = state.withLock { $0.succeed(keys, body) }
            guard isNew else { return }
            for sentence in skipped { logger.warning("auth.jwt.jwks: \(sentence)") }
            logger.info(
                "keys of tokens are fetched", metadata: ["keys": "\(keys.keys.count)"])
        } catch {
            let problem = (error as? AuthenticationFault)?.problem ?? "\(error)"
            let kept = state.withLock { $0.fail() }
            logger.warning(
                "auth.jwt.jwks can't be fetched: the keys fetched last remain",
                metadata: ["error": "\(problem)", "keys": "\(kept)"])
        }
    }
}

/// The state that a ``RemoteKeySet`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct RemoteKeySetState {
    var keys = KeySet()
    /// The text from which ``keys`` was made.
    private var text: [UInt8] = []
    private var isFetching = false
    private var began: ContinuousClock.Instant?
    private(set) var hasFailed = false

    /// Returns whether a request may begin, and notes that it does.
    mutating func mayBegin(at now: ContinuousClock.Instant, after pause: Duration) -> Bool {
        if isFetching { return false }
        if let began, now - began < pause { return false }
        isFetching = true
        began = now
        return true
    }

    /// Takes over a set. Returns whether it differs from the one before.
    mutating func succeed(_ keys: KeySet, _ text: [UInt8]) -> Bool {
        (isFetching, hasFailed) = (false, false)
        defer { (self.keys, self.text) = (keys, text) }
        return text != self.text
    }

    /// Returns the number of keys that remain.
    mutating func fail() -> Int {
        (isFetching, hasFailed) = (false, true)
        return keys.keys.count
    }
}
