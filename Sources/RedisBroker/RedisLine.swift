import TLSFilter
import UVTransport

/// Keeps one connection to Redis up: finds the address, connects, logs in, and after each loss
/// tries again, later each time. For its loop's thread.
final class RedisLine: TimerEntry, @unchecked Sendable {
    // Safety: confined to the loop's thread; other threads only pass the reference on.

    private enum State {
        /// Not started, or stopped.
        case idle
        /// On the way to ``established()``.
        case connecting
        case up
        /// Until the next attempt.
        case resting
    }

    private let loop: EventLoop
    private let url: RedisURL
    private let options: RedisOptions
    private var state = State.idle
    /// The attempt at hand; what an earlier one brings is dropped.
    private var attempt = 0
    private var backoff: Backoff
    /// A name server that hangs must not cost a thread for each attempt.
    private var isLookingUp = false
    /// Made with the first encrypted connection.
    private var tlsContext: TLSClientContext?
    private(set) var link: RedisLink?
    /// Where the link leads.
    private(set) var address: SocketAddress?
    private(set) var reason = "not connected yet"
    /// Whether an attempt or a connection has failed since the start.
    private(set) var hasFailed = false
    /// Whether the server answers `HELLO` with its role; Redis does from version 6 on.
    private(set) var tellsRole = false
    /// Whether the last attempt or connection was given up because it led to a replica.
    private(set) var isReplica = false
    /// The error that answered `HELLO`. A server with too many clients sends one and hangs up.
    private var refusal: RedisText?

    /// Logged in: commands can be sent. Its owner calls ``established()`` once it is of use.
    var onOpen: ((RedisLink) -> Void)?
    /// The attempt or the connection failed.
    var onLost: ((_ reason: String) -> Void)?

    init(loop: EventLoop, url: RedisURL, options: RedisOptions) {
        self.loop = loop
        self.url = url
        self.options = options
        backoff = Backoff(options.backoff)
    }

    var isUp: Bool { state == .up }

    func start() {
        attempt += 1
        state = .connecting
        tellsRole = false
        isReplica = false
        refusal = nil
        loop.schedule(self, at: loop.now + options.connectTimeout.milliseconds)
        switch url.place {
        case .unix(let path):
            do throws(TransportError) {
                connect([try .unix(path: path)])
            } catch { fail("\(error)") }
        case .host(let host, let port): lookUp(host, port)
        }
    }

    /// The connection is of use. Only one that lasts ends the row of failures.
    func established() {
        guard state == .connecting else { return }
        state = .up
        backoff.succeeded(now: loop.now)
        loop.cancel(self)
    }

    /// Gives the connection or the attempt up, and tries again later.
    func fail(_ reason: String) {
        guard state == .connecting || state == .up else { return }
        self.reason = reason
        hasFailed = true
        state = .resting
        loop.schedule(self, at: loop.now + backoff.failed(now: loop.now))
        drop(reason)
        onLost?(reason)
    }

    /// Takes an answer to `HELLO`. Gives the connection up, and returns why, if it leads to a
    /// replica: Redis accepts publications there, but passes them on neither to the master nor to
    /// other replicas.
    func takeRole(_ answer: RedisLink.Answer) -> String? {
        guard case .reply(let reply) = answer else { return nil }
        if case .error(let text) = reply { refusal = text }
        let role = reply.isFromReplica
        tellsRole = role != nil
        guard role == true else { return nil }
        isReplica = true
        let reason = "Redis is a replica, from which publications do not reach its master"
        fail(reason)
        return reason
    }

    /// Ends for good.
    func stop(_ reason: String) {
        state = .idle
        self.reason = reason
        loop.cancel(self)
        drop(reason)
        onOpen = nil
        onLost = nil
    }

    private func drop(_ reason: String) {
        let link = self.link
        self.link = nil
        link?.shut(reason)
    }

    override func deadlinePassed(now: UInt64) {
        switch state {
        case .resting: start()
        case .connecting:
            fail("no connection to Redis within \(options.connectTimeout.milliseconds) ms")
        case .idle, .up: break
        }
    }

    // MARK: - Connecting

    private func lookUp(_ host: String, _ port: Int) {
        guard !isLookingUp else { return }
        isLookingUp = true
        let loop = self.loop
        Task { [self] in
            let result: Result<[ConnectAddress], TransportError>
            do throws(TransportError) {
                result = .success(try await ConnectAddress.lookUp(host: host, port: port))
            } catch { result = .failure(error) }
            loop.execute { [self] in
                isLookingUp = false
                // Of an attempt that has failed meanwhile it serves the next.
                guard state == .connecting, link == nil else { return }
                switch result {
                case .success(let addresses):
                    // One that doesn't answer must not keep the others from their turn.
                    let first = backoff.failures % max(1, addresses.count)
                    connect(Array(addresses[first...] + addresses[..<first]))
                case .failure(let error): fail("\(error)")
                }
            }
        }
    }

    /// Tries the addresses in turn.
    private func connect(_ addresses: [ConnectAddress]) {
        guard let address = addresses.first else { return fail("the host has no address") }
        let tls: TLSClient?
        do throws(TLSClient.Fault) {
            tls = try makeTLS()
        } catch { return fail(error.description) }
        let link = RedisLink(loop: loop, tls: tls, options: options)
        link.onEnd = { [self] in ended($0) }
        self.link = link
        self.address = address.socketAddress
        let number = attempt
        link.open(address) { [self] error in
            guard number == attempt, state == .connecting, self.link === link else { return }
            if let error {
                drop("not connected")
                if addresses.count > 1 {
                    connect(Array(addresses.dropFirst()))
                } else {
                    fail("\(error)")
                }
            } else {
                logIn(link)
            }
        }
    }

    private func makeTLS() throws(TLSClient.Fault) -> TLSClient? {
        guard url.isEncrypted, case .host(let host, _) = url.place else { return nil }
        let context: TLSClientContext
        if let made = tlsContext {
            context = made
        } else {
            context = try TLSClientContext()
            tlsContext = context
        }
        return try TLSClient(context: context, host: host)
    }

    private func ended(_ reason: String) {
        if state == .connecting, let refusal {
            fail("\(reason) after the error: \(refusal)")
        } else {
            fail(reason)
        }
    }

    private func logIn(_ link: RedisLink) {
        if let password = url.password {
            let user = url.user.map { [$0] } ?? []
            send("AUTH", user + [password], on: link)
        }
        if url.database != 0 { send("SELECT", ["\(url.database)"], on: link) }
        link.send(Self.hello) { [self] in _ = takeRole($0) }
        if self.link === link { onOpen?(link) }
    }

    /// Asks for the server's role, among other things; version 2 of the protocol is the default.
    static let hello = [Array("HELLO".utf8), Array("2".utf8)]

    private func send(_ command: String, _ arguments: [String], on link: RedisLink) {
        link.send(([command] + arguments).map { Array($0.utf8) }) { [self] answer in
            switch answer {
            case .lost: break
            case .reply(let reply) where reply == .utf8("OK"): break
            case .reply(.error(let text)):
                // A server that knows no AUTH quotes what it got.
                let isSecret = text.repeats(url.password ?? "")
                fail("Redis refuses \(command)\(isSecret ? "" : ": \(text)")")
            default: fail("Redis answers \(command) with something else")
            }
        }
    }
}
