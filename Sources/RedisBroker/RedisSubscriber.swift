import UVTransport

/// The half of the broker that subscribes, over a connection of its own. For its loop's thread.
final class RedisSubscriber {
    /// Channels in one command: what is sent again after a loss is not one huge argument list.
    private static let channelsPerCommand = 512

    let line: RedisLine
    private let loop: EventLoop
    private let probeChannel: [UInt8]
    private let probeTimeout: UInt64
    private var channels: Set<[UInt8]> = []
    /// SUBSCRIBE for all channels has been sent on the line's link.
    private var isAnnounced = false
    private var probe = 0
    /// When what must come back is overdue: the probe, and the answer to a ping.
    private var echoDeadline: UInt64?
    private var pongDeadline: UInt64?

    /// A message in one of the channels.
    var onMessage: ((_ channel: [UInt8], borrowing RawSpan) -> Void)?
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

    func subscribe(to channel: [UInt8]) {
        guard channels.insert(channel).inserted, isAnnounced else { return }
        line.link?.send([Array("SUBSCRIBE".utf8), channel], onAnswer: nil)
    }

    func unsubscribe(from channel: [UInt8]) {
        guard channels.remove(channel) != nil, isAnnounced else { return }
        line.link?.send([Array("UNSUBSCRIBE".utf8), channel], onAnswer: nil)
    }

    func stop() { line.stop("stopped") }

    private func opened(_ link: RedisLink) {
        link.onPush = { [unowned self] in receive($0) }
        let all = Array(channels)
        for start in stride(from: 0, to: all.count, by: Self.channelsPerCommand) {
            let batch = all[start..<min(start + Self.channelsPerCommand, all.count)]
            link.send([Array("SUBSCRIBE".utf8)] + batch, onAnswer: nil)
        }
        // The last: once Redis confirms it, all are in effect.
        link.send([Array("SUBSCRIBE".utf8), probeChannel], onAnswer: nil)
        isAnnounced = true
    }

    private func receive(_ reply: borrowing RedisReply) {
        if reply.kind == .error { return line.fail("Redis refuses to subscribe: \(reply.text)") }
        guard reply.count > 0 else { return line.fail("Redis pushed something else") }
        switch (reply.text(at: 0), reply.count) {
        case ("message", 3):
            let channel = reply.withBytes(at: 1) {
                unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) }
            }
            if channel == probeChannel {
                if reply.text(at: 2) == "\(probe)" { echoDeadline = nil }
            } else {
                reply.withBytes(at: 2) { onMessage?(channel, $0) }
            }
        case ("subscribe", 3):
            guard !line.isUp,
                reply.withBytes(
                    at: 1, { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }) == probeChannel
            else { return }
            line.established()
            onEstablished?()
        case ("pong", _): pongDeadline = nil
        // What answers UNSUBSCRIBE, and what later versions may add.
        default: break
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
