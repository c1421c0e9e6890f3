import UVTransport
import WebSocketServer

/// The half of the broker that publishes, over a connection of its own. For its loop's thread.
final class RedisPublisher {
    private struct Waiting {
        let channel: [UInt8]
        let message: [UInt8]
        let completion: (BrokerError?) -> Void
    }

    let line: RedisLine
    private let probeChannel: [UInt8]
    /// What is published before the first attempt to connect has ended waits for that; `nil` later.
    private var waiting: [Waiting]? = []
    /// The line has come up or gone down.
    var onChange: (() -> Void)?

    init(line: RedisLine, probeChannel: [UInt8]) {
        self.line = line
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
        link.send([Array("PUBLISH".utf8), channel, message]) { answer in
            switch answer {
            case .integer: completion(nil)
            case .error(let text):
                completion(BrokerError(.unavailable, "Redis refuses to publish: \(text)"))
            case .lost(let reason):
                completion(BrokerError(.unavailable, "no answer from Redis: \(reason)"))
            case .text, .other:
                completion(BrokerError(.unavailable, "Redis answered something else"))
            }
        }
    }

    func stop() {
        line.stop("stopped")
        settle(.failure(BrokerError(.stopped, "the broker is stopped")))
    }

    /// The line is of use once Redis has taken a publication, which no one is to see.
    private func opened(_ link: RedisLink) {
        link.send([Array("PUBLISH".utf8), probeChannel, []]) { [unowned self] answer in
            switch answer {
            case .integer:
                line.established()
                settle(.success(()))
                onChange?()
            case .error(let text): line.fail("Redis refuses to publish: \(text)")
            case .lost: break
            case .text, .other: line.fail("Redis answers PUBLISH with something else")
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
