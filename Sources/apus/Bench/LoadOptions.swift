import ArgumentParser
import Foundation
import HTTPTypes
import LoadGenerator
import WebSocketServer

/// The options that all loads have.
struct LoadOptions: ParsableArguments {
    @Argument(help: "ws://host:port/path, wss://…, or ws+unix:/run/apus.sock:/path.")
    var url: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Connections (default: 100).", valueName: "n"),
        transform: { try argument($0, WholeNumber(1...1_000_000)) })
    var connections = 100

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Time measured (default: 5s).", valueName: "time"),
        transform: { try argument($0, TimeSpan(.milliseconds(100) ... .seconds(86_400))) })
    var duration = Duration.seconds(5)

    @Option(
        help: ArgumentHelp(
            "Time before that, which does not count (default: 1s).", valueName: "time"),
        transform: { try argument($0, TimeSpan(.zero ... .seconds(3_600))) })
    var warmup = Duration.seconds(1)

    @Option(
        help: ArgumentHelp("Threads of the generator (default: 1).", valueName: "n"),
        transform: { try argument($0, WholeNumber(1...256)) })
    var loops = 1

    @Flag(
        help: """
            Never sleep between messages. A server on this machine then spends nothing on waking \
            the generator, as it wouldn't over a network; give each a core of its own.
            """)
    var spin = false

    @Option(
        help: ArgumentHelp(
            """
            What is offered of permessage-deflate: off; on (every message stands alone); takeover \
            (what Chromium offers: the server may refer to earlier messages; ours stand alone).
            """, valueName: "offer"))
    var compression = LoadPlan.Compression.off

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print a Markdown table.")
    var markdown = false

    @Flag(help: "Tell progress on standard error where that is no terminal, too.")
    var progress = false

    func validate() throws {
        if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
        _ = try server.plan(.echo, url)
    }

    /// The plan that these options make; `adjust` adds what is a scenario's own.
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

/// How a server is reached that is there already, and where its process can be seen.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .customLong("subprotocol"), parsing: .singleValue,
        help: ArgumentHelp("Offer a subprotocol; may be repeated.", valueName: "name"))
    var subprotocols: [String] = []

    @Option(
        name: .customLong("header"), parsing: .singleValue,
        help: ArgumentHelp(
            "Send a header line with each handshake; may be repeated.", valueName: "name: value"))
    var headers: [HeaderLine] = []

    @Flag(help: "With wss, take any certificate of the server, whoever's it is.")
    var insecure = false

    @Option(
        name: .customLong("pid"), parsing: .singleValue,
        help: ArgumentHelp(
            """
            The server's process; may be repeated. Without it, that which listens on the port of a \
            loopback address.
            """, valueName: "pid"))
    var processes: [Int32] = []

    /// Whether any of them was given.
    var isGiven: Bool {
        !subprotocols.isEmpty || !headers.isEmpty || insecure || !processes.isEmpty
    }

    /// A load on the server at a URL.
    func plan(_ scenario: LoadPlan.Scenario, _ url: String) throws -> LoadPlan {
        var plan: LoadPlan
        do {
            plan = LoadPlan(scenario: scenario, url: try WebSocketURL(url, hasTLS: true))
        } catch {
            throw ValidationError(error.detail)
        }
        plan.subprotocols = subprotocols
        for line in headers { plan.headerFields.append(line.field) }
        plan.trustsAnyCertificate = insecure
        plan.processes = processes
        if processes.isEmpty, case .host(let host, let port) = plan.url.place, isLoopback(host) {
            plan.processes = ServerProcess.listening(onPort: port)
        }
        return plan
    }
}

/// What messages hold, and how long they are.
struct PayloadOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            What messages hold: json, chat, ticks, logs, binary (random), or file:PATH (default: \
            json). Of a text file with several lines, each line is a message; of others, or with \
            --size, slices are: see "apus bench --help".
            """, valueName: "kind"),
        transform: { try argument($0, Payload()) })
    var payload = PayloadKind.json

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            Bytes of a message, or several with commas, sent in turn: 100,1KiB. *N has one come N \
            times as often: '128*9,4KiB' (default: 128).
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

/// The options of loads that send one message after the other.
struct MessageOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            Messages that may be unanswered, of each connection (default: 1; with --rate, 1000); \
            of a fan-out all together, and with --rate as many as are due.
            """, valueName: "n"),
        transform: { try argument($0, WholeNumber(1...100_000)) })
    var inFlight: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Messages a second, all together, whatever the server does (open loop).",
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

/// The `Name: value` of a `--header`.
struct HeaderLine: ExpressibleByArgument {
    let field: HTTPField

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":"),
            let name = HTTPField.Name(String(argument[..<colon]))
        else { return nil }
        let value = argument[argument.index(after: colon)...]
        field = HTTPField(name: name, value: value.trimmingCharacters(in: .whitespaces))
    }
}

extension LoadPlan.Compression: ExpressibleByArgument {}

/// Reads an option's value as configuration is read.
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
