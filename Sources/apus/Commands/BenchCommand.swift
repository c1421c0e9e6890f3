import ArgumentParser
import LoadGenerator

/// `apus bench`: puts load on a server, and measures its costs.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put load on a WebSocket server, and measure.",
        discussion: """
            Works with any WebSocket server: give its URL. If the server's process runs on this \
            machine, its CPU time and memory are measured, too.

            The generator prepares all frames before the run, and parses little more than the \
            frame headers of replies. So the server is the bottleneck; if it is not, the report \
            says so. The contents of some replies are compared with what was sent. Ctrl-C ends a \
            run early and prints the results so far. A run without meaningful results prints no \
            figures, but what went wrong and what to do.

            --payload file:PATH sends your own messages. From a text file (UTF-8) with several \
            lines, such as JSON lines, each line is sent as one message, in turn. Empty lines are \
            skipped, and only the first 65,536 lines or 16 MiB are used. Other files are cut into \
            slices of --size bytes: binary files, files with a single line or with a line above \
            1 MiB, and any file if --size is given. Text is sent in text messages; its slices end \
            between characters, and so may be up to three bytes shorter. Everything else is sent \
            in binary messages.

            --size '128*9,4KiB' mixes sizes by weight: nine of ten messages have 128 bytes. The \
            quotes keep the shell from expanding the *.

            With wss:// the server's certificate must be valid. To trust a certificate authority \
            of your own, set the environment variable SSL_CERT_FILE to the path of its certificate.

            EXAMPLES:
              apus serve --tools --port 8080 --loops 1 &
              apus bench echo ws://127.0.0.1:8080/echo
              apus bench echo ws://127.0.0.1:8080/echo --size 1KiB --compression on
              apus bench fanout ws://127.0.0.1:8080/broadcast --connections 1000
              apus bench idle ws://127.0.0.1:8080/echo --connections 10000
              apus bench connect ws://127.0.0.1:8080/echo
              apus bench echo wss://staging.example/echo --connections 10
              apus bench compare                  takes some minutes
              apus bench compare wss://staging.example/echo
            """,
        subcommands: [
            BenchEchoCommand.self, BenchFanoutCommand.self, BenchIdleCommand.self,
            BenchConnectCommand.self, BenchCompareCommand.self,
        ])
}

/// `apus bench echo`: the server sends each message back.
struct BenchEchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Measure messages that come back to their sender.",
        discussion: """
            The default is a closed loop: each connection sends its next message when a reply \
            arrives. The rate is then what the server can do. With --in-flight, a connection has \
            several messages under way at once (pipelining).

            With --rate it is an open loop: messages are sent when they are due, whatever the \
            server does, and their latency counts from that time. Users meet a server that stalls \
            in this way; a closed loop would send less during the stall and hardly notice it.

            The path must send each message back unchanged. /echo of a server that was started \
            with "apus serve --tools" does.

            EXAMPLES:
              apus bench echo ws://127.0.0.1:8080/echo --in-flight 16 --size 20
              apus bench echo ws://127.0.0.1:8080/echo --rate 20000 --duration 30s
              apus bench echo ws://127.0.0.1:8080/echo --size 100,1000,10000 --payload logs
              apus bench echo ws://127.0.0.1:8080/echo --size '128*9,4KiB'
              apus bench echo ws://127.0.0.1:8080/echo --payload file:events.jsonl --json
            """)

    @OptionGroup var load: LoadOptions
    @OptionGroup var messages: MessageOptions

    func run() async throws {
        try await bench(load.plan(.echo) { messages.apply(to: &$0) }, load)
    }
}

/// `apus bench fanout`: the server sends each message to all subscribers.
struct BenchFanoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout",
        abstract: "Measure messages that go to all connections of a path.",
        discussion: """
            --connections is the number of subscribers; --publishers more connections send. Each \
            delivery to a subscriber counts as a message. In a closed loop the next message is \
            sent once all subscribers have received the last one. With several publishers, \
            latencies are inexact by about the time between two messages, since these may arrive \
            in another order than they were sent.

            The path must send each message to all connections, unchanged and in one order. \
            /broadcast of a server that was started with "apus serve --tools" does.

            EXAMPLES:
              apus bench fanout ws://127.0.0.1:8080/broadcast --connections 1000
              apus bench fanout ws://127.0.0.1:8080/broadcast --compression takeover
              apus bench fanout ws://127.0.0.1:8080/broadcast --rate 50 --duration 30s
            """)

    @OptionGroup var load: LoadOptions
    @OptionGroup var messages: MessageOptions

    @Option(
        help: ArgumentHelp(
            "Number of connections that send, in turn (default: 1).", valueName: "n"),
        transform: { try argument($0, WholeNumber(1...1_000)) })
    var publishers = 1

    @Option(
        help: ArgumentHelp(
            "The path that publishers connect to (default: the URL's).", valueName: "path"),
        transform: requestPath)
    var publishPath: String?

    func run() async throws {
        try await bench(
            load.plan(.fanout) {
                $0.publishers = publishers
                $0.publishTarget = publishPath
                messages.apply(to: &$0)
            }, load)
    }
}

/// `apus bench idle`: open connections without traffic.
struct BenchIdleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "Measure the memory of open connections.",
        discussion: """
            Opens --connections, sends one message on each, so that the server has allocated what \
            it needs for that, and keeps them open for --duration. The memory is the server's \
            resident memory; the kernel's own memory for sockets is not part of it. Linux has \
            about 28,000 ports for connections to one address.

            EXAMPLES:
              apus bench idle ws://127.0.0.1:8080/echo --connections 10000
              apus bench idle ws://127.0.0.1:8080/echo --compression takeover --size 1KiB
              apus bench idle ws://127.0.0.1:8080/ws --silent
            """)

    @OptionGroup var load: LoadOptions
    @OptionGroup var messages: PayloadOptions

    @Flag(help: "Send no message. For paths that don't send messages back.")
    var silent = false

    func run() async throws {
        try await bench(
            load.plan(.idle) {
                messages.apply(to: &$0)
                $0.sendsOne = !silent
            }, load)
    }
}

/// `apus bench connect`: opening handshakes.
struct BenchConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Measure opening handshakes per second.",
        discussion: """
            Opens --connections at once. Each connection is closed with a closing handshake as \
            soon as it is open, and replaced by a new one. The latency is the time from the start \
            of the TCP connection to the server's response.

            EXAMPLES:
              apus bench connect ws://127.0.0.1:8080/echo --connections 64
            """)

    @OptionGroup var load: LoadOptions

    func run() async throws { try await bench(load.plan(.connect) { _ in }, load) }
}
