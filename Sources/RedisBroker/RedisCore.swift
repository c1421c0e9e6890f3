import Logging
import UVTransport
import WebSocketServer

/// What a broker has on its loop: a connection that publishes, one that subscribes, and the probe
/// of both. For that loop's thread, ``loop`` and the initializer aside.
final class RedisCore: TimerEntry, @unchecked Sendable {
    // Safety: confined to the loop's thread; other threads only pass the reference on.

    let loop: EventLoop
    private let options: RedisOptions
    private let prefix: [UInt8]
    private let publisher: RedisPublisher
    private let subscriber: RedisSubscriber
    private let logger: Logger
    private let unreadable: LogThrottle
    private let receive: @Sendable (BrokerEvent) -> Void
    private let report: @Sendable (BrokerHealth) -> Void
    private let url: RedisURL
    private var gaps = 0
    private var isInGap = false
    private var wasReady = false
    /// Whether the outage at hand has been logged.
    private var hasWarned = false
    private var isStopped = false
    private var inFlight = 0
    private var onIdle: (() -> Void)?

    init(
        loop: EventLoop, url: RedisURL, prefix: String, options: RedisOptions, logger: Logger,
        receive: @escaping @Sendable (BrokerEvent) -> Void,
        report: @escaping @Sendable (BrokerHealth) -> Void
    ) {
        self.loop = loop
        self.url = url
        self.options = options
        self.prefix = Array(prefix.utf8)
        self.logger = logger
        unreadable = LogThrottle(
            "a message in Redis is no publication of this version; dropped", logger: logger)
        self.receive = receive
        self.report = report
        // A topic's name holds no control characters, so none is ever this one.
        let name = "\(prefix)\u{1}probe/\(UInt64.random(in: .min ... .max))"
        publisher = RedisPublisher(
            line: RedisLine(loop: loop, url: url, options: options), loop: loop,
            probeChannel: Array(name.utf8))
        subscriber = RedisSubscriber(
            line: RedisLine(loop: loop, url: url, options: options), loop: loop,
            probeChannel: Array(name.utf8), options: options)
        super.init()
        publisher.onChange = { [unowned self] in publisherChanged() }
        subscriber.onMessage = { [unowned self] in received($1, of: $0) }
        subscriber.onEstablished = { [unowned self] in established() }
        subscriber.onLost = { [unowned self] in lost($0) }
    }

    func start() {
        guard !isStopped else { return }
        publisher.line.start()
        subscriber.line.start()
        scheduleProbe()
    }

    // MARK: - Publishing and subscribing

    func publish(_ publication: Publication, completion: @escaping (BrokerError?) -> Void) {
        guard !isStopped else { return completion(BrokerError(.stopped, "the broker is stopped")) }
        guard let message = Envelope.encode(publication) else {
            let detail = "a key of more than \(Envelope.keySizeMax) bytes can't be published"
            return completion(BrokerError(.unavailable, detail))
        }
        guard message.count <= options.messageSizeMax else {
            let detail = "what is larger than \(options.messageSizeMax) bytes can't be published"
            return completion(BrokerError(.unavailable, detail))
        }
        inFlight += 1
        publisher.publish(message, to: channel(of: publication.topic)) { [self] error in
            inFlight -= 1
            completion(error)
            if inFlight == 0 { idle() }
        }
    }

    func subscribe(to topic: String) { subscriber.subscribe(to: channel(of: topic), of: topic) }
    func unsubscribe(from topic: String) { subscriber.unsubscribe(from: channel(of: topic)) }

    private func channel(of topic: String) -> [UInt8] { prefix + Array(topic.utf8) }

    private func received(_ message: [UInt8], of topic: String) {
        guard let publication = unsafe Envelope.decode(message.span.bytes, topic: topic) else {
            unreadable.log(["topic": "\(topic)", "bytes": "\(message.count)"])
            return
        }
        receive(.publication(publication))
    }

    // MARK: - Health

    // Who hears of an event and asks for the health then, is to be told what fits.

    private func established() {
        let endsGap = isInGap
        isInGap = false
        changed()
        if endsGap { receive(.restored) }
    }

    /// A connection is lost, or an attempt has failed: whoever subscribes is to be told, also if
    /// there has been no connection yet.
    private func lost(_ reason: String) {
        let beginsGap = !isInGap
        if beginsGap {
            isInGap = true
            gaps += 1
        }
        changed()
        if beginsGap { receive(.gap(reason)) }
    }

    private func publisherChanged() {
        changed()
        // What others publish at the new master reaches this replica only once it has synchronized.
        if publisher.line.isReplica, subscriber.line.isUp,
            subscriber.line.address == publisher.line.address
        {
            subscriber.line.fail(publisher.line.reason)
        }
    }

    /// One of the connections has come up or gone down, or an attempt has failed.
    private func changed() {
        guard !isStopped else { return }
        let isReady = publisher.line.isUp && subscriber.line.isUp
        var faults: [String] = []
        if !subscriber.line.isUp { faults.append("subscribing: \(subscriber.line.reason)") }
        if !publisher.line.isUp { faults.append("publishing: \(publisher.line.reason)") }
        let description = isReady ? "connected" : faults.joined(separator: "; ")
        report(BrokerHealth(isReady: isReady, description: description, gaps: gaps))
        if isReady, !wasReady {
            hasWarned = false
            logger.info("connected to Redis", metadata: ["url": "\(url)"])
        } else if !isReady, publisher.line.hasFailed || subscriber.line.hasFailed {
            // Not while a server starts: of its two connections, one is up before the other.
            logger.log(
                level: hasWarned ? .debug : .warning, "no connection to Redis; trying again",
                metadata: ["url": "\(url)", "reason": "\(description)"])
            hasWarned = true
        }
        // The first probe need not wait for its turn.
        if isReady, !wasReady { probe() }
        wasReady = isReady
    }

    private func scheduleProbe() {
        let next = loop.now + options.probeInterval.milliseconds
        loop.schedule(self, at: min(next, subscriber.nextDeadline ?? next))
    }

    private func probe() {
        subscriber.check(publisher: publisher, now: loop.now)
        if !isStopped { scheduleProbe() }
    }

    override func deadlinePassed(now: UInt64) {
        if isStopped { stopNow() } else { probe() }
    }

    // MARK: - The end

    /// Stops: what is awaited gets a last while to be answered; then `completion` is called.
    func stop(completion: @escaping () -> Void) {
        isStopped = true
        subscriber.stop()
        onIdle = { [self] in
            loop.cancel(self)
            publisher.stop()
            completion()
        }
        if inFlight == 0 || !publisher.line.isUp { return idle() }
        loop.schedule(self, at: loop.now + options.stopTimeout.milliseconds)
    }

    private func stopNow() { idle() }

    private func idle() {
        let onIdle = self.onIdle
        self.onIdle = nil
        onIdle?()
    }
}
