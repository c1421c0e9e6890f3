import RedisBroker
import WebSocketServer

/// The keys of the broker, and of what happens when it fails.
extension Schema {
    static let broker: [Key] = [
        Key(
            "broker.url", BrokerURL(), \.broker.place,
            """
            Where publications go: `memory:` is this process alone, a Redis connects several \
            servers. User, password and path are percent-encoded.
            """, isSecret: true),
        Key(
            "broker.prefix", ChannelPrefix(), \.broker.prefix,
            """
            The text before a topic's name in the name of its Redis channel. Only servers with \
            the same prefix share topics.
            """),
        Key(
            "broker.on_gap", Choice([("keep", .keep), ("close", .close)]),
            \.server.topics.onGap,
            """
            What happens to subscribers that may have missed publications: `keep` leaves them \
            connected, `close` closes them with 1012.
            """),
    ]
}

/// The settings of the broker that carries publications.
struct BrokerSettings: Sendable {
    enum Place: Sendable, Hashable {
        case memory
        case redis(RedisURL)
    }

    var place = Place.memory
    var prefix = "apus:"
}

/// The URL of a broker: `memory:`, or that of a Redis server.
struct BrokerURL: Kind {
    private static let memory = "memory:"

    let accepted = "memory:, redis[s]://[[user]:password@]host[:port][/db] or unix:///path[?db=N]"

    func parse(_ text: String) throws(Rejection) -> BrokerSettings.Place {
        if text == Self.memory { return .memory }
        do throws(RedisURL.Fault) {
            return .redis(try RedisURL(text))
        } catch {
            throw Rejection(problem: "not a broker's URL: it \(error.problem)")
        }
    }

    /// Returns the URL without user and password, since it is printed only where secrets are not.
    func write(_ value: BrokerSettings.Place) -> String {
        switch value {
        case .memory: Self.memory
        case .redis(let url): url.description
        }
    }
}

/// The text before a topic's name in the name of a channel.
struct ChannelPrefix: Kind {
    static let bytesMax = 64

    let accepted = "up to \(bytesMax) bytes without spaces and control characters"

    func parse(_ text: String) throws(Rejection) -> String {
        guard text.utf8.count <= Self.bytesMax else { throw Rejection(problem: "too long") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw Rejection(problem: "not without spaces and control characters")
        }
        return text
    }

    func write(_ value: String) -> String { value }
}
