import RedisProtocol
import UVTransport
import WebSocketServer

/// The half of the broker that publishes, over a connection of its own. For its loop's thread.
///
/// A replica accepts publications as its master does, and a master can become a replica while we
/// are connected to it. So `HELLO` follows the publications of each turn of the loop, in the same
/// write, and they count as taken once its answer shows that the server is no replica.
final class RedisPublisher: @unchecked Sendable {
    // Safety: confined to the loop's thread; other threads only pass the reference on.

    private struct Waiting {
        let channel: [UInt8]
        let message: [UInt8]
        let completion: (BrokerError?) -> Void
    }

    private static let publish = Array("PUBLISH".utf8)

    let line: RedisLine
    private let loop: EventLoop
    private let probeChannel: [UInt8]
    /// What is published before the first attempt to connect has ended waits for that; `nil` later.
    private var waiting: [Waiting]? = []
    /// Completions of publications that Redis has answered, while its role is being asked for.
    private var unconfirmed: [(BrokerError?) -> Void] = []
    /// Whether the role is going to be asked for at the end of this turn.
    private var isCheckDue = false
    /// The line has come up or gone down.
    var onChange: (() -> Void)?

    init(line: RedisLine, loop: EventLoop, probeChannel: [UInt8]) {
        self.line = line
        self.loop = loop
        self.probeChannel = probeChannel
        line.onOpen = { [unowned self] in opened($0) }
        line.onLost = { [unowned self] reason in
            settle(.failure(BrokerError(.unavailable, reason)))
            onChange?()
        }
    }

    /// Publishes; `completion` hears once, and of success only when Redis has answered.
    func publish(
        _ message: [UInt8], to channel: [UInt8], completion: @escaping (BrokerError?) -> Void
    ) {
        guard line.isUp, let link = line.link else {
            if waiting == nil {
                completion(BrokerError(.unavailable, "no connection to Redis: \(line.reason)"))
            } else {
                waiting?.append(
                    Waiting(channel: channel, message: message, completion: completion))
            }
            return
        }
        let isChecked = line.tellsRole
        link.send([Self.publish, channel, message]) { [self] answer in
            switch answer {
            case .reply(.integer):
                if isChecked { unconfirmed.append(completion) } else { completion(nil) }
            case .reply(.error(let text)):
                completion(BrokerError(.unavailable, "Redis refuses to publish: \(text)"))
            case .lost(let reason):
                completion(BrokerError(.unavailable, "no answer from Redis: \(reason)"))
            case .reply:
                completion(BrokerError(.unavailable, "Redis answered something else"))
            }
        }
        if isChecked { checkRole(on: link) }
    }

    /// Asks for the server's role behind all that is published in this turn.
    private func checkRole(on link: RedisLink) {
        if isCheckDue { return }
        isCheckDue = true
        loop.execute { [self] in
            isCheckDue = false
            link.send(RedisLine.hello) { [self] in confirm($0) }
        }
    }

    /// Settles the publications that were answered before this answer to `HELLO`.
    private func confirm(_ answer: RedisLink.Answer) {
        var error: BrokerError?
        if case .lost(let reason) = answer {
            error = BrokerError(.unavailable, "no answer from Redis: \(reason)")
        } else if let reason = line.takeRole(answer) {
            error = BrokerError(.unavailable, reason)
        }
        let answered = unconfirmed
        unconfirmed = []
        for completion in answered { completion(error) }
    }

    func stop() {
        line.stop("stopped")
        settle(.failure(BrokerError(.stopped, "the broker is stopped")))
    }

    /// The line is of use once Redis has taken a publication, which no one is to see.
    private func opened(_ link: RedisLink) {
        link.send([Self.publish, probeChannel, []]) { [unowned self] answer in
            switch answer {
            case .reply(.integer):
                line.established()
                settle(.success(()))
                onChange?()
            case .reply(.error(let text)): line.fail("Redis refuses to publish: \(text)")
            case .lost: break
            case .reply: line.fail("Redis answers PUBLISH with something else")
            }
        }
    }

    private func settle(_ outcome: Result<Void, BrokerError>) {
        guard let waiting else { return }
        self.waiting = nil
        for publication in waiting {
            switch outcome {
            case .success:
                publish(
                    publication.message, to: publication.channel,
                    completion: publication.completion)
            case .failure(let error): publication.completion(error)
            }
        }
    }
}
