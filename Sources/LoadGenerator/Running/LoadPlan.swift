package import HTTPTypes
package import WebSocketProtocol
package import WebSocketServer

/// The plan of a load: its scenario, server and duration.
package struct LoadPlan: Sendable {
    package enum Scenario: String, Sendable, CaseIterable {
        /// The server sends each message back.
        case echo
        /// The server sends each message to all connections.
        case fanout
        /// Connections are opened and kept open.
        case idle
        /// Connections are opened and closed, one after the other.
        case connect
    }

    /// The offer of permessage-deflate (RFC 7692).
    package enum Compression: String, Sendable, CaseIterable {
        case off
        /// Every message is compressed alone, in both directions.
        case on
        /// Chromium's offer: the server may refer to earlier messages.
        case takeover

        package var offer: ExtensionOffer? {
            switch self {
            case .off: nil
            case .on:
                DeflateParameters.offer(
                    serverNoContextTakeover: true, clientNoContextTakeover: true,
                    clientMaxWindowBits: nil)
            case .takeover: DeflateParameters.offer()
            }
        }
    }

    package var scenario: Scenario
    package var url: WebSocketURL
    /// The number of connections: for a fan-out its subscribers, for `connect` those open at once.
    package var connections = 100
    /// The number of connections that send a fan-out's messages, in turn.
    package var publishers = 1
    /// The path and query for publishers; `nil` means that of the subscribers.
    package var publishTarget: String?
    /// The maximum number of unanswered messages of a connection; for a fan-out in a closed loop,
    /// of all connections together.
    package var inFlight = 1
    /// The total messages per second, each sent when it is due (open loop). `nil` means that each
    /// message is sent after an answer (closed loop).
    package var rate: Double?
    package var warmup = Duration.seconds(1)
    package var duration = Duration.seconds(5)
    package var loops = 1
    package var payload = PayloadKind.json
    /// The sizes of messages; `nil` if they are the whole lines of a file.
    package var sizes: SizeMix? = SizeMix(128)
    /// The bytes that the server inserts before each message that it sends back.
    package var replyPrefix: [UInt8] = []
    package var compression = Compression.off
    /// Whether the load fails if the server does not agree to the offer.
    package var demandsCompression = true
    package var subprotocols: [String] = []
    package var headerFields: HTTPFields = [:]
    /// Whether any certificate is accepted, for `wss`.
    package var trustsAnyCertificate = false
    /// Whether `idle` sends one message on each connection, so that the server allocates the memory
    /// for it.
    package var sendsOne = true
    /// The server's processes, if they are visible.
    package var processes: [Int32] = []
    /// Whether the loops spin instead of sleeping. A server on the same machine then never has to
    /// wake them.
    package var spins = false
    /// The core of each loop's thread, in turn; if empty, the kernel chooses.
    package var cores: [Int] = []
    /// The time limit for opening all connections.
    package var openingTimeout = Duration.seconds(30)

    package init(scenario: Scenario, url: WebSocketURL) {
        self.scenario = scenario
        self.url = url
    }

    /// The file whose lines are the messages; `nil` if the messages have sizes.
    package var lines: PayloadFile? {
        if sizes == nil, case .file(let file) = payload { file } else { nil }
    }

    /// The URL without its query.
    package var shownURL: String {
        let path = url.target.prefix { $0 != "?" }
        switch url.place {
        case .host: return "\(url.isEncrypted ? "wss" : "ws")://\(url.authority)\(path)"
        case .unix(let socket): return "ws+unix:\(socket):\(path)"
        }
    }

    /// The maximum number of concurrent handshakes of a loop.
    static let openingMax = 64
}

/// An error that ended a load early.
package struct LoadError: Error, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

extension LoadFailure {
    /// Wraps any error that ended a load early.
    package init(_ error: any Error) {
        self.init(
            "\(error)", advice: "Nothing was measured. Check the URL, and that the server runs.")
    }
}

extension Duration {
    package var nanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
    }

    package var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
