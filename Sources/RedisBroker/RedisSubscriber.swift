import RedisProtocol
import UVTransport

/// The half of the broker that subscribes, over a connection of its own. For its loop's thread.
final class RedisSubscriber {
    /// Channels in one command: what is sent again after a loss is not one huge argument list.
    private static let channelsPerCommand = 512
    /// What a push is, by its first element.
    private static let message = Array("message".utf8)
    private static let subscribe = Array("subscribe".utf8)
    private static let pong = Array("pong".utf8)

    let line: RedisLine
    private let loop: EventLoop
    private let probeChannel: [UInt8]
    private let probeTimeout: UInt64
    /// The topics of the channels. What Redis sends is only compared with these names.
    private var topics: [[UInt8]: String] = [:]
    /// SUBSCRIBE for all channels has been sent on the line's link.
    private var isAnnounced = false
    private var probe = 0
    /// When what must come back is overdue: the probe, and the answer to a ping.
    private var echoDeadline: UInt64?
    private var pongDeadline: UInt64?

    /// Called with a message in the channel of a topic.
    var onMessage: ((_ topic: String, _ message: [UInt8]) -> Void)?
    /// All subscriptions are in effect.
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
        // The last: once Redis confirms it, all are in effect.
        link.send([Array("SUBSCRIBE".utf8), probeChannel], onAnswer: nil)
        isAnnounced = true
    }

    private func receive(_ reply: RedisReply) {
        if case .error(let text) = reply {
            return line.fail("Redis refuses to subscribe: \(text)")
        }
        guard case .array(let elements) = reply, case .text(let kind)? = elements.first else {
            return line.fail("Redis pushed something else")
        }
        switch kind {
        case Self.message:
            guard elements.count == 3, case .text(let channel) = elements[1],
                case .text(let message) = elements[2]
            else { return line.fail("Redis pushed a message in another form") }
            receive(message, in: channel)
        case Self.subscribe:
            guard !line.isUp, elements.dropFirst().first == .text(probeChannel) else { return }
            line.established()
            onEstablished?()
        case Self.pong: pongDeadline = nil
        // What answers UNSUBSCRIBE, and what later versions may add.
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

    /// Asks for a sign of life: an answer on this connection, and, if there is one to publish it,
    /// a probe that has to come back. What is due longer ends the connection.
    func check(publisher: RedisPublisher, now: UInt64) {
        guard line.isUp, let link = line.link else { return }
        if let due = pongDeadline, now >= due {
            return line.fail("Redis does not answer on the subscription")
        }
        if let due = echoDeadline, now >= due {
            return line.fail("a probe did not come back by the subscription")
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
                // Not published: nothing will come back, and that is not the subscription's fault.
                guard error != nil, let self, probe == number else { return }
                echoDeadline = nil
            }
        }
    }

    /// When ``check(publisher:now:)`` has something overdue at the earliest.
    var nextDeadline: UInt64? {
        [echoDeadline, pongDeadline].compactMap(\.self).min()
    }
}
