import UVTransport
import WebSocketServer

/// The publishing half of the broker, with its own connection. Only its loop's thread uses it.
///
/// A replica accepts publications as its master does, and a master can become a replica during a
/// connection. So `HELLO` follows the publications of each turn of the loop, in the same write. The
/// publications count as accepted only when its answer shows that the server isn't a replica.
final class RedisPublisher: @unchecked Sendable {
    // Safety: confined to the loop's thread. Other threads only pass the reference on.

    private struct Waiting {
        let channel: [UInt8]
        let message: [UInt8]
        let completion: (BrokerError?) -> Void
    }

    private static let publish = Array("PUBLISH".utf8)

    let line: RedisLine
    private let loop: EventLoop
    private let probeChannel: [UInt8]
    /// The publications that wait for the end of the first attempt to connect; `nil` after it.
    private var waiting: [Waiting]? = []
    /// The completions of publications that Redis has answered, until its role is known.
    private var unconfirmed: [(BrokerError?) -> Void] = []
    /// Whether the role is requested at the end of this turn.
    private var isCheckDue = false
    /// Called when the line is established or lost.
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

    /// Publishes. `completion` is called once, with `nil` only after Redis has answered.
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
                completion(BrokerError(.unavailable, "Redis sent an unexpected answer"))
            }
        }
        if isChecked { checkRole(on: link) }
    }

    /// Requests the server's role after all publications of this turn.
    private func checkRole(on link: RedisLink) {
        if isCheckDue { return }
        isCheckDue = true
        loop.execute { [self] in
            isCheckDue = false
            link.send(RedisLine.hello) { [self] in confirm($0) }
        }
    }

    /// Completes the publications that were answered before this answer to `HELLO`.
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

    /// Publishes to the probe's channel: the line is usable only if Redis accepts publications.
    private func opened(_ link: RedisLink) {
        link.send([Self.publish, probeChannel, []]) { [unowned self] answer in
            switch answer {
            case .reply(.integer):
                line.established()
                settle(.success(()))
                onChange?()
            case .reply(.error(let text)): line.fail("Redis refuses to publish: \(text)")
            case .lost: break
            case .reply: line.fail("Redis sent an unexpected answer to PUBLISH")
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
