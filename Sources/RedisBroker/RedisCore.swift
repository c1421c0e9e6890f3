import Logging
import UVTransport
import WebSocketServer

/// The part of a broker on its loop: a publishing and a subscribing connection, and the probe of
/// both. Only the loop's thread uses it, except ``loop`` and the initializer.
final class RedisCore: TimerEntry, @unchecked Sendable {
    // Safety: confined to the loop's thread. Other threads only pass the reference on.

    let loop: EventLoop
    private let options: RedisOptions
    private let prefix: [UInt8]
    private let publisher: RedisPublisher
    private let subscriber: RedisSubscriber
    private let logger: Logger
    private let unreadable: LogThrottle
    private let receive: @Sendable (BrokerEvent) -> BrokerError?
    private let report: @Sendable (BrokerHealth) -> Void
    private let url: RedisURL
    private var gaps = 0
    private var isInGap = false
    private var wasReady = false
    /// Whether the current outage has been logged.
    private var hasWarned = false
    private var isStopped = false
    private var inFlight = 0
    private var onIdle: (() -> Void)?

    init(
        loop: EventLoop, url: RedisURL, prefix: String, options: RedisOptions, logger: Logger,
        receive: @escaping @Sendable (BrokerEvent) -> BrokerError?,
        report: @escaping @Sendable (BrokerHealth) -> Void
    ) {
        self.loop = loop
        self.url = url
        self.options = options
        self.prefix = Array(prefix.utf8)
        self.logger = logger
        unreadable = LogThrottle(
            "dropped a message from Redis that isn't a publication of this version", logger: logger)
        self.receive = receive
        self.report = report
        // The name of a topic has no control characters, so no topic has this channel.
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
            let sizeMax = options.messageSizeMax
            let detail = "a publication of more than \(sizeMax) bytes can't be published"
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
        // Redis has already answered the publisher, so the server counts a loss as a gap.
        _ = receive(.publication(publication))
    }

    // MARK: - Health

    // Each function updates the health first: the receiver of the event may read it.

    private func established() {
        let endsGap = isInGap
        isInGap = false
        changed()
        if endsGap { _ = receive(.restored) }
    }

    /// Reports a gap because a connection is lost or an attempt failed. Subscribers may miss
    /// publications even if there has been no connection yet.
    private func lost(_ reason: String) {
        let beginsGap = !isInGap
        if beginsGap {
            isInGap = true
            gaps += 1
        }
        changed()
        if beginsGap { _ = receive(.gap(reason)) }
    }

    private func publisherChanged() {
        changed()
        // A replica receives the publications of its new master only after it has synchronized.
        if publisher.line.isReplica, subscriber.line.isUp,
            subscriber.line.address == publisher.line.address
        {
            subscriber.line.fail(publisher.line.reason)
        }
    }

    /// Updates the health after a connection was established or lost, or an attempt failed.
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
                level: hasWarned ? .debug : .warning, "no connection to Redis; retrying",
                metadata: ["url": "\(url)", "reason": "\(description)"])
            hasWarned = true
        }
        // The first probe doesn't wait for the interval.
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

    /// Stops: pending commands get a short time for their answers, then `completion` is called.
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
