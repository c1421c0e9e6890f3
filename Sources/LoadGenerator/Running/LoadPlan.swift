package import HTTPTypes
package import WebSocketProtocol
package import WebSocketServer

/// What a load does, to which server, for how long.
package struct LoadPlan: Sendable {
    package enum Scenario: String, Sendable, CaseIterable {
        /// Each message comes back to its sender.
        case echo
        /// Each message goes to all connections.
        case fanout
        /// Connections are opened and kept.
        case idle
        /// Connections are opened and closed, one after the other.
        case connect
    }

    /// What is offered of permessage-deflate (RFC 7692).
    package enum Compression: String, Sendable, CaseIterable {
        case off
        /// Every message stands alone, both ways.
        case on
        /// What Chromium offers: the server may refer to earlier messages.
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
    /// Connections; of a fan-out, its subscribers; of `connect`, those under way at once.
    package var connections = 100
    /// Connections that send a fan-out's messages, in turn.
    package var publishers = 1
    /// The path and query that publishers connect to; `nil`: that of the subscribers.
    package var publishTarget: String?
    /// Messages of a connection that may be unanswered; of a fan-out in a closed loop, all together.
    package var inFlight = 1
    /// Messages a second, all together, sent when they are due (open loop). `nil`: the next one
    /// is sent once there is an answer (closed loop).
    package var rate: Double?
    package var warmup = Duration.seconds(1)
    package var duration = Duration.seconds(5)
    package var loops = 1
    package var payload = PayloadKind.json
    /// Bytes of messages; `nil`: the payload is a file whose lines are sent whole.
    package var sizes: SizeMix? = SizeMix(128)
    /// The bytes that the server puts before each message that it sends back.
    package var replyPrefix: [UInt8] = []
    package var compression = Compression.off
    /// Whether it is a fault that the server does not agree to what is offered.
    package var demandsCompression = true
    package var subprotocols: [String] = []
    package var headerFields: HTTPFields = [:]
    /// Of `wss`: takes any certificate, whoever's it is.
    package var trustsAnyCertificate = false
    /// Of `idle`: send one message on each connection, so that it has what it needs for that.
    package var sendsOne = true
    /// The server's processes, where they can be seen.
    package var processes: [Int32] = []
    /// The loops never sleep: a server on the same machine then wakes no one.
    package var spins = false
    /// The core of each loop's thread, in turn; empty leaves it to the kernel.
    package var cores: [Int] = []
    /// Time for all connections to be open.
    package var openingTimeout = Duration.seconds(30)

    package init(scenario: Scenario, url: WebSocketURL) {
        self.scenario = scenario
        self.url = url
    }

    /// The file whose lines are the messages; `nil` where they have sizes.
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

    /// Handshakes of a loop that are under way at once.
    static let openingMax = 64
}

/// Why a load could not be run to its end.
package struct LoadError: Error, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

extension LoadFailure {
    /// A load that could not be run to its end.
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
