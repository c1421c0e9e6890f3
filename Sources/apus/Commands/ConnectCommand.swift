import ArgumentParser
import Foundation
import HTTPTypes
import WebSocketServer

/// `apus connect`: a WebSocket client for the terminal and for scripts.
struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Talk to a WebSocket server from the terminal.",
        discussion: """
            Sends each line of standard input as a text message, and prints each message that \
            arrives. Everything else goes to standard error: how the connection ended and, on a \
            terminal, notes.

            At the end of the input (Ctrl-D on a terminal) it sends a Close frame, and prints what \
            arrives until the server has answered that. Some servers answer a Close frame before \
            they have replied to the messages sent before it: give them time with --wait. Ctrl-C \
            closes the connection as well; a second Ctrl-C ends the program at once.

            On a terminal, control characters in messages are escaped, as in \\u{1B}. Binary \
            messages are shown as their length and first bytes in hexadecimal; --raw prints \
            messages unchanged. A message may have up to 64 MiB.

            The token of the environment variable APUS_TOKEN is sent as --token would be. Other \
            users of the machine can see command lines, but not the environment.

            With wss:// the server's certificate must be valid. To trust a certificate authority \
            of your own, set the environment variable SSL_CERT_FILE to the path of its certificate.

            The exit status is 0 if the connection was closed with code 1000 or 1001 or without a \
            code, and 1 if it was refused, lost or closed with another code. See "apus --help" \
            for others.

            EXAMPLES:
              export APUS_AUTH_JWT_SECRET=$(openssl rand -hex 32)
              apus serve --tools --port 8080 &
              apus connect ws://127.0.0.1:8080/ws
              echo hello | apus connect ws://127.0.0.1:8080/echo
              seq 3 | apus connect ws://127.0.0.1:8080/broadcast --wait 1s
              apus connect ws://127.0.0.1:8080/broadcast --no-input > messages.txt
              export APUS_TOKEN=$(apus token --sub ada)
              apus connect ws://127.0.0.1:8080/ws/secure/news
              apus connect ws://127.0.0.1:8080/ws --ping 5s --show-pings
              apus connect wss://staging.example/ws
            """)

    @Argument(help: "ws://host:port/path, wss://…, or ws+unix:/run/apus.sock:/path.")
    var url: String

    @OptionGroup var handshake: HandshakeOptions

    @Option(
        help: ArgumentHelp(
            "Send \"Authorization: Bearer TOKEN\" (default: $APUS_TOKEN).", valueName: "token"))
    var token: String?

    @Option(help: ArgumentHelp("Send this Origin, as a browser would.", valueName: "origin"))
    var origin: String?

    @Option(help: ArgumentHelp("Whether to offer permessage-deflate.", valueName: "on|off"))
    var compression = Switch.off

    @Flag(help: "With wss://, accept any certificate, even an invalid one.")
    var insecure = false

    @Flag(help: "Send lines as binary messages; they need not be UTF-8.")
    var binary = false

    @Flag(help: "Print messages unchanged: binary ones as their bytes, text without escapes.")
    var raw = false

    @Flag(help: "Don't read standard input: print messages until the server closes, or Ctrl-C.")
    var noInput = false

    @Option(
        help: ArgumentHelp(
            """
            After the end of the input, close only once no message has arrived for this time \
            (default: 0s).
            """, valueName: "time"),
        transform: { try argument($0, Seconds(.zero ... .seconds(86_400))) })
    var wait = Duration.zero

    @Option(
        help: ArgumentHelp(
            """
            Send a ping after this time without data from the server, and end if nothing arrives \
            within 10 s after it (default: 30s; 0: never).
            """, valueName: "time"),
        transform: {
            try argument($0, Seconds(.milliseconds(100) ... .seconds(86_400)).orZero("never"))
        })
    var ping: Duration? = .seconds(30)

    @Flag(help: "Report pings and pongs from the server on standard error.")
    var showPings = false

    func validate() throws {
        _ = try webSocketURL(url)
        let tokens = [token, ProcessInfo.processInfo.environment[Self.tokenVariable]]
        for token in tokens.compactMap(\.self) {
            guard token.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
                throw ValidationError("The token has spaces or other characters that no token has.")
            }
        }
        if headerFields.count(where: { $0.name == .authorization }) > 1 {
            throw ValidationError("--token and --header 'Authorization: …' can't be used together.")
        }
    }

    func run() async throws {
        ignoreVanishedReaders()
        let status = await TerminalClient(self).run()
        if status != 0 { throw ExitCode(status) }
    }

    /// The header fields sent with the opening handshake.
    var headerFields: HTTPFields {
        var fields = handshake.headerFields
        if let origin { fields[.origin] = origin }
        let variable = ProcessInfo.processInfo.environment[Self.tokenVariable] ?? ""
        if let token {
            fields.append(HTTPField(name: .authorization, value: "Bearer \(token)"))
        } else if !variable.isEmpty, fields[.authorization] == nil {
            fields[.authorization] = "Bearer \(variable)"
        }
        return fields
    }

    /// The environment variable that keeps a token out of the list of processes.
    static let tokenVariable = "APUS_TOKEN"
}

/// The options for the client's opening handshake, beyond what the protocol requires.
struct HandshakeOptions: ParsableArguments {
    @Option(
        name: .customLong("subprotocol"), parsing: .singleValue,
        help: ArgumentHelp("Offer a subprotocol; may be repeated.", valueName: "name"),
        transform: subprotocol)
    var subprotocols: [String] = []

    @Option(
        name: .customLong("header"), parsing: .singleValue,
        help: ArgumentHelp(
            "Send a header line with each opening handshake; may be repeated.",
            valueName: "name: value"),
        transform: headerField)
    var headers: [HTTPField] = []

    var headerFields: HTTPFields {
        var fields = HTTPFields()
        for field in headers { fields.append(field) }
        return fields
    }
}

/// A choice of `on` or `off`.
enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

/// A duration that may also be a bare number of seconds.
struct Seconds: RangedKind {
    static let zero = Duration.zero
    static let form = "seconds, or ms, s, m, h or d"
    let range: ClosedRange<Duration>
    private let span: TimeSpan

    init(_ range: ClosedRange<Duration>) {
        self.range = range
        span = TimeSpan(range)
    }

    func scan(_ text: String) throws(Rejection) -> Duration {
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { 0x30...0x39 ~= $0 }
        return try span.scan(isNumber ? text + "s" : text)
    }

    func write(_ value: Duration) -> String { span.write(value) }
}
