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
    private var failures = 0
    /// A name server that hangs must not cost a thread for each attempt.
    private var isLookingUp = false
    /// Made with the first encrypted connection.
    private var tlsContext: TLSClientContext?
    private(set) var link: RedisLink?
    private(set) var reason = "not connected yet"

    /// Logged in: commands can be sent. Its owner calls ``established()`` once it is of use.
    var onOpen: ((RedisLink) -> Void)?
    /// The attempt or the connection failed.
    var onLost: ((_ reason: String) -> Void)?

    init(loop: EventLoop, url: RedisURL, options: RedisOptions) {
        self.loop = loop
        self.url = url
        self.options = options
    }

    var isUp: Bool { state == .up }

    func start() {
        attempt += 1
        state = .connecting
        loop.schedule(self, at: loop.now + options.connectTimeout.milliseconds)
        switch url.place {
        case .unix(let path):
            do throws(TransportError) {
                connect([try .unix(path: path)])
            } catch { fail("\(error)") }
        case .host(let host, let port): lookUp(host, port)
        }
    }

    /// The connection is of use: the next loss is the first of a new row.
    func established() {
        guard state == .connecting else { return }
        state = .up
        failures = 0
        loop.cancel(self)
    }

    /// Gives the connection or the attempt up, and tries again later.
    func fail(_ reason: String) {
        guard state == .connecting || state == .up else { return }
        self.reason = reason
        state = .resting
        loop.schedule(self, at: loop.now + nextPause())
        drop(reason)
        onLost?(reason)
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

    private func nextPause() -> UInt64 {
        let (least, most) = (
            options.backoff.lowerBound.milliseconds, options.backoff.upperBound.milliseconds
        )
        let pause = min(most, least << UInt64(min(failures, 16)))
        failures += 1
        return UInt64.random(in: pause / 2...pause)
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
                    let first = failures % max(1, addresses.count)
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
        link.onEnd = { [self] in fail($0) }
        self.link = link
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

    private func logIn(_ link: RedisLink) {
        var commands: [[String]] = []
        if let password = url.password {
            commands.append(["AUTH"] + (url.user.map { [$0] } ?? []) + [password])
        }
        if url.database != 0 { commands.append(["SELECT", "\(url.database)"]) }
        for command in commands {
            link.send(command.map { Array($0.utf8) }) { [self] answer in
                switch answer {
                case .text("OK"), .lost: break
                // Redis repeats no password in its errors.
                case .error(let text): fail("Redis refuses \(command[0]): \(text)")
                default: fail("Redis answers \(command[0]) with something else")
                }
            }
        }
        if self.link === link { onOpen?(link) }
    }
}
