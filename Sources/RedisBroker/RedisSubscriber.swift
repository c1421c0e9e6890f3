import UVTransport

/// The subscribing half of the broker, with its own connection. Only its loop's thread uses it.
final class RedisSubscriber {
    /// The most channels in one command. It limits the argument lists when all subscriptions are
    /// renewed after a loss.
    private static let channelsPerCommand = 512
    /// The kind of a push, by its first element.
    private static let message = Array("message".utf8)
    private static let subscribe = Array("subscribe".utf8)
    private static let pong = Array("pong".utf8)

    let line: RedisLine
    private let loop: EventLoop
    private let probeChannel: [UInt8]
    private let probeTimeout: UInt64
    /// The topics by channel. Names sent by Redis are only compared with these.
    private var topics: [[UInt8]: String] = [:]
    /// Whether SUBSCRIBE for all channels has been sent on the line's link.
    private var isAnnounced = false
    private var probe = 0
    /// The deadlines of the probe and of the answer to a ping.
    private var echoDeadline: UInt64?
    private var pongDeadline: UInt64?

    /// Called with a message in the channel of a topic.
    var onMessage: ((_ topic: String, _ message: [UInt8]) -> Void)?
    /// Called when all subscriptions are in effect.
    var onEstablished: (() -> Void)?
    var onLost: ((_ reason: String) -> Void)?

    init(line: RedisLine, loop: EventLoop, probeChannel: [UInt8], options: RedisOptions) {
        self.line = line
        self.loop = loop
        self.probeChannel = probeChannel
        probeTimeout = options.probeTimeout.milliseconds
        line.onOpen = { [unowned self] in opened($0) }
        line.onLost = { [unowned self] reason in
            isAnnounced = false
            echoDeadline = nil
            pongDeadline = nil
            onLost?(reason)
        }
    }

    func subscribe(to channel: [UInt8], of topic: String) {
        guard topics.updateValue(topic, forKey: channel) == nil, isAnnounced else { return }
        line.link?.send([Array("SUBSCRIBE".utf8), channel], onAnswer: nil)
    }

    func unsubscribe(from channel: [UInt8]) {
        guard topics.removeValue(forKey: channel) != nil, isAnnounced else { return }
        line.link?.send([Array("UNSUBSCRIBE".utf8), channel], onAnswer: nil)
    }

    func stop() { line.stop("stopped") }

    private func opened(_ link: RedisLink) {
        link.onPush = { [unowned self] in receive($0) }
        let all = Array(topics.keys)
        for start in stride(from: 0, to: all.count, by: Self.channelsPerCommand) {
            let batch = all[start..<min(start + Self.channelsPerCommand, all.count)]
            link.send([Array("SUBSCRIBE".utf8)] + batch, onAnswer: nil)
        }
        // The last channel: once Redis confirms it, all subscriptions are in effect.
        link.send([Array("SUBSCRIBE".utf8), probeChannel], onAnswer: nil)
        isAnnounced = true
    }

    private func receive(_ reply: RedisReply) {
        if case .error(let text) = reply {
            return line.fail("Redis refuses to subscribe: \(text)")
        }
        guard case .array(let elements) = reply, case .text(let kind)? = elements.first else {
            return line.fail("Redis pushed an unexpected reply")
        }
        switch kind {
        case Self.message:
            guard elements.count == 3, case .text(let channel) = elements[1],
                case .text(let message) = elements[2]
            else { return line.fail("Redis pushed a malformed message") }
            receive(message, in: channel)
        case Self.subscribe:
            guard !line.isUp, elements.dropFirst().first == .text(probeChannel) else { return }
            line.established()
            onEstablished?()
        case Self.pong: pongDeadline = nil
        // The answer to UNSUBSCRIBE, or a kind that later versions may add.
        default: break
        }
    }

    private func receive(_ message: [UInt8], in channel: [UInt8]) {
        if let topic = topics[channel] {
            onMessage?(topic, message)
        } else if channel == probeChannel, message == Array("\(probe)".utf8) {
            echoDeadline = nil
        }
    }

    // MARK: - Probing

    /// Checks the connection by a ping and, if a publisher is connected, by a probe that must come
    /// back. Ends the connection if either is overdue.
    func check(publisher: RedisPublisher, now: UInt64) {
        guard line.isUp, let link = line.link else { return }
        if let due = pongDeadline, now >= due {
            return line.fail("Redis does not answer on the subscription")
        }
        if let due = echoDeadline, now >= due {
            return line.fail("a probe did not come back through the subscription")
        }
        if pongDeadline == nil {
            pongDeadline = now + probeTimeout
            link.send([Array("PING".utf8)], onAnswer: nil)
        }
        if echoDeadline == nil, publisher.line.isUp {
            probe += 1
            echoDeadline = now + probeTimeout
            let number = probe
            publisher.publish(Array("\(probe)".utf8), to: probeChannel) { [weak self] error in
                // The probe wasn't published, so it can't come back. That isn't the subscription's
                // error.
                guard error != nil, let self, probe == number else { return }
                echoDeadline = nil
            }
        }
    }

    /// The earliest time at which ``check(publisher:now:)`` may find something overdue.
    var nextDeadline: UInt64? {
        [echoDeadline, pongDeadline].compactMap(\.self).min()
    }
}
