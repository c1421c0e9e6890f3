import ArgumentParser
import Foundation
import HTTPTypes
import LoadGenerator
import WebSocketServer

/// The options common to all loads.
struct LoadOptions: ParsableArguments {
    @Argument(help: "ws://host:port/path, wss://…, or ws+unix:/run/apus.sock:/path.")
    var url: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Number of connections (default: 100).", valueName: "n"),
        transform: { try argument($0, WholeNumber(1...1_000_000)) })
    var connections = 100

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("How long to measure (default: 5s).", valueName: "time"),
        transform: { try argument($0, TimeSpan(.milliseconds(100) ... .seconds(86_400))) })
    var duration = Duration.seconds(5)

    @Option(
        help: ArgumentHelp(
            "How long to send before measuring begins (default: 1s).", valueName: "time"),
        transform: { try argument($0, TimeSpan(.zero ... .seconds(3_600))) })
    var warmup = Duration.seconds(1)

    @Option(
        help: ArgumentHelp("Number of threads of the load generator (default: 1).", valueName: "n"),
        transform: { try argument($0, WholeNumber(1...256)) })
    var loops = 1

    @Flag(
        help: """
            Never sleep between messages. A server on this machine then spends no time on waking \
            the generator, just as over a network. Give each of them a core of its own.
            """)
    var spin = false

    @Option(
        help: ArgumentHelp(
            """
            Which compression (permessage-deflate) to offer: off; on (each message is compressed \
            on its own); takeover (as Chromium offers it: the server's messages may refer to \
            earlier ones, the client's are compressed on their own).
            """, valueName: "offer"))
    var compression = LoadPlan.Compression.off

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print a Markdown table.")
    var markdown = false

    @Flag(help: "Report progress on standard error even if that is not a terminal.")
    var progress = false

    func validate() throws {
        if json && markdown {
            throw ValidationError("--json and --markdown can't be used together.")
        }
        _ = try server.plan(.echo, url)
    }

    /// Returns the plan that the options describe; `adjust` adds the parts of one scenario.
    func plan(
        _ scenario: LoadPlan.Scenario, adjust: (inout LoadPlan) throws -> Void
    ) throws -> LoadPlan {
        var plan = try server.plan(scenario, url)
        plan.connections = connections
        plan.duration = duration
        plan.warmup = warmup
        plan.loops = loops
        plan.spins = spin
        plan.compression = compression
        try adjust(&plan)
        return plan
    }
}

/// The address of a running server, and its processes if they are on this machine.
struct ServerOptions: ParsableArguments {
    @OptionGroup var handshake: HandshakeOptions

    @Flag(help: "With wss://, accept any certificate, even an invalid one.")
    var insecure = false

    @Option(
        name: .customLong("pid"), parsing: .singleValue,
        help: ArgumentHelp(
            """
            The server's process; may be repeated. Default: the process that listens on the URL's \
            port, if the host is this machine's loopback address.
            """, valueName: "pid"))
    var processes: [Int32] = []

    /// Whether any of these options was given.
    var isGiven: Bool {
        !handshake.subprotocols.isEmpty || !handshake.headers.isEmpty || insecure
            || !processes.isEmpty
    }

    /// Returns the plan of a load on the server at a URL.
    func plan(_ scenario: LoadPlan.Scenario, _ url: String) throws -> LoadPlan {
        var plan = LoadPlan(scenario: scenario, url: try webSocketURL(url))
        plan.subprotocols = handshake.subprotocols
        plan.headerFields = handshake.headerFields
        plan.trustsAnyCertificate = insecure
        plan.processes = processes
        if processes.isEmpty, case .host(let host, let port) = plan.url.place, isLoopback(host) {
            plan.processes = ServerProcess.listening(onPort: port)
        }
        return plan
    }
}

/// The content and the sizes of messages.
struct PayloadOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            The contents of messages: json, chat, ticks, logs, binary (random), or file:PATH \
            (default: json). Each line of a text file is a message; other files are cut into \
            slices, see "apus bench --help".
            """, valueName: "kind"),
        transform: { try argument($0, Payload()) })
    var payload = PayloadKind.json

    @Option(
        name: [.short, .long, .customLong("sizes")],
        help: ArgumentHelp(
            """
            The size of messages, or several sizes with commas, sent in turn: 100,1KiB. A size \
            with *N is sent N times as often: '128*9,4KiB' (default: 128).
            """, valueName: "bytes"),
        transform: sizeMix)
    var size: SizeMix?

    @Option(
        help: ArgumentHelp(
            "The text that the server puts before what it sends back (default: none).",
            valueName: "text"))
    var replyPrefix = ""

    func apply(to plan: inout LoadPlan) {
        plan.payload = payload
        plan.replyPrefix = Array(replyPrefix.utf8)
        if let size {
            plan.sizes = size
        } else if payload.hasLines {
            plan.sizes = nil
        }
    }
}

/// The options of loads that send messages one after the other.
struct MessageOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            How many messages may be unanswered: on each connection (default: 1; with --rate, \
            1000). In a fan-out the number is for all publishers together, and with --rate there \
            is no limit.
            """, valueName: "n"),
        transform: { try argument($0, WholeNumber(1...100_000)) })
    var inFlight: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Send so many messages per second in total, whatever the server does (open loop).",
            valueName: "n"),
        transform: { try argument($0, WholeNumber(1...100_000_000)) })
    var rate: Int?

    @OptionGroup var messages: PayloadOptions

    func apply(to plan: inout LoadPlan) {
        messages.apply(to: &plan)
        plan.rate = rate.map(Double.init)
        plan.inFlight = inFlight ?? (rate == nil ? 1 : 1_000)
    }
}

extension LoadPlan.Compression: ExpressibleByArgument {}

/// Parses an option's value by the rules of the configuration.
func argument<K: Kind>(_ text: String, _ kind: K) throws -> K.Value {
    do throws(Rejection) {
        return try kind.parse(text)
    } catch {
        throw ValidationError("\(text) is \(error.problem); allowed: \(kind.accepted)")
    }
}

private func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.")
}
