import RedisProtocol
import TLSFilter
import UVTransport

/// A permanent connection to Redis: it resolves the address, connects and logs in. After each loss
/// it retries, with growing delays. Only its loop's thread uses it.
final class RedisLine: TimerEntry, @unchecked Sendable {
    // Safety: confined to the loop's thread. Other threads only pass the reference on.

    private enum State {
        /// Not started, or stopped.
        case idle
        /// Connecting, until ``established()``.
        case connecting
        case up
        /// Waiting for the next attempt.
        case resting
    }

    private let loop: EventLoop
    private let url: RedisURL
    private let options: RedisOptions
    private var state = State.idle
    /// The number of the current attempt. Results of earlier attempts are dropped.
    private var attempt = 0
    private var backoff: Backoff
    /// Whether a lookup is in progress. An unresponsive name server must not block a thread for
    /// each attempt.
    private var isLookingUp = false
    /// The TLS context, created with the first encrypted connection.
    private var tlsContext: TLSClientContext?
    private(set) var link: RedisLink?
    /// The address that the link leads to.
    private(set) var address: SocketAddress?
    private(set) var reason = "not connected yet"
    /// Whether an attempt or a connection has failed since the start.
    private(set) var hasFailed = false
    /// Whether the server answers `HELLO` with its role, as Redis does since version 6.
    private(set) var tellsRole = false
    /// Whether the last attempt or connection was given up because it led to a replica.
    private(set) var isReplica = false
    /// The error that answered `HELLO`. A server with too many clients sends one and closes the
    /// connection.
    private var refusal: RedisText?

    /// Called after the login, when commands can be sent. The owner then calls ``established()``
    /// once the connection is usable.
    var onOpen: ((RedisLink) -> Void)?
    /// Called when the attempt or the connection has failed.
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

    /// Marks the connection as usable. Only a connection that lasts resets the delays.
    func established() {
        guard state == .connecting else { return }
        state = .up
        backoff.succeeded(now: loop.now)
        loop.cancel(self)
    }

    /// Gives up the connection or the attempt, and retries later.
    func fail(_ reason: String) {
        guard state == .connecting || state == .up else { return }
        self.reason = reason
        hasFailed = true
        state = .resting
        loop.schedule(self, at: loop.now + backoff.failed(now: loop.now))
        drop(reason)
        onLost?(reason)
    }

    /// Evaluates an answer to `HELLO`. If it comes from a replica, gives up the connection and
    /// returns the reason: a replica accepts publications, but passes them on neither to the master
    /// nor to other replicas.
    func takeRole(_ answer: RedisLink.Answer) -> String? {
        guard case .reply(let reply) = answer else { return nil }
        if case .error(let text) = reply { refusal = text }
        let role = reply.isFromReplica
        tellsRole = role != nil
        guard role == true else { return nil }
        isReplica = true
        let reason = "Redis is a replica: it does not pass publications on to its master"
        fail(reason)
        return reason
    }

    /// Stops for good.
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
                // The result serves a later attempt if this one has failed in the meantime.
                guard state == .connecting, link == nil else { return }
                switch result {
                case .success(let addresses):
                    // An address that doesn't answer must leave time for the others.
                    let first = backoff.failures % max(1, addresses.count)
                    connect(Array(addresses[first...] + addresses[..<first]))
                case .failure(let error): fail("\(error)")
                }
            }
        }
    }

    /// Tries the addresses one after the other.
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

    /// The request for the server's role. Version 2 of the protocol is the default.
    static let hello = [Array("HELLO".utf8), Array("2".utf8)]

    private func send(_ command: String, _ arguments: [String], on link: RedisLink) {
        link.send(([command] + arguments).map { Array($0.utf8) }) { [self] answer in
            switch answer {
            case .lost: break
            case .reply(let reply) where reply == .utf8("OK"): break
            case .reply(.error(let text)):
                // A server that doesn't know AUTH quotes the command in its error, with the
                // password.
                let isSecret = text.repeats(url.password ?? "")
                fail("Redis refuses \(command)\(isSecret ? "" : ": \(text)")")
            default: fail("Redis sent an unexpected answer to \(command)")
            }
        }
    }
}
