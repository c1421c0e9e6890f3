import ArgumentParser
import LoadGenerator

/// `apus bench`: puts load on a server and says what it cost.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put load on a WebSocket server, and measure.",
        discussion: """
            Works on any server: give its URL. Where the server's process can be seen, on this \
            machine, its CPU time and memory are measured too.

            The generator makes its frames before it begins and reads little more than the headers \
            of what comes back, so that the server is the bottleneck; it says so where it is not. \
            Contents are compared on a sample. Ctrl-C ends a run early and prints what there is.

            --payload file:PATH sends messages of your own. A text file (UTF-8) with several lines \
            is sent a line a message, in turn: JSON lines, say. Empty lines are left out, and of \
            a long file what is beyond 65,536 lines or 16 MiB. Cut into slices of --size bytes \
            are any file with --size, a file of one line or with one above 1 MiB, and what is no \
            text. Text goes as text messages, and its slices end between characters, up to \
            three bytes early; all else goes as binary messages.

            Sizes are mixed by weights: --size '128*9,4KiB' sends 128 bytes nine times of ten. The \
            quotes keep the shell from reading *.

            By wss the server's certificate must be valid. The environment variable SSL_CERT_FILE \
            names a file with the certificate of an authority of your own.

            EXAMPLES:
              apus serve --tools --port 8080 --loops 1 &
              apus bench echo ws://127.0.0.1:8080/echo
              apus bench echo ws://127.0.0.1:8080/echo --size 1KiB --compression on
              apus bench fanout ws://127.0.0.1:8080/broadcast --connections 1000
              apus bench idle ws://127.0.0.1:8080/echo --connections 10000
              apus bench connect ws://127.0.0.1:8080/echo
              apus bench echo wss://staging.example/echo --connections 10
              apus bench compare                  is compression worth it? (some minutes)
              apus bench compare wss://staging.example/echo

            EXIT STATUS: 0 after a run in which something was measured, without faults; 1 \
            otherwise, 64 for a wrong command line.
            """,
        subcommands: [
            BenchEchoCommand.self, BenchFanoutCommand.self, BenchIdleCommand.self,
            BenchConnectCommand.self, BenchCompareCommand.self,
        ])
}

/// `apus bench echo`: each message comes back to its sender.
struct BenchEchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Measure messages that come back to their sender.",
        discussion: """
            Closed loop, the default: a connection sends the next message when one comes back; the \
            rate is what the server can do. --in-flight lets several be under way (pipelining).

            Open loop, with --rate: messages are sent when they are due, whatever the server does, \
            and their latency counts from then. That is how users meet a server that stalls; a \
            closed loop would send less meanwhile, and see nothing.

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

/// `apus bench fanout`: each message goes to all.
struct BenchFanoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout",
        abstract: "Measure messages that go to all connections of a path.",
        discussion: """
            --connections subscribe; --publishers more send. A message counts for each subscriber \
            that gets it, and the figures are those of such a delivery. In a closed loop the next \
            message is sent once all have the last one. With several publishers latencies are to \
            about the time between two messages, as theirs may arrive in another order.

            The path must be one that sends each message to everyone, as it is, in one order.

            EXAMPLES:
              apus bench fanout ws://127.0.0.1:8080/broadcast --connections 1000
              apus bench fanout ws://127.0.0.1:8080/broadcast --compression takeover -s 1KiB
              apus bench fanout ws://127.0.0.1:8080/broadcast --rate 50 --duration 30s
            """)

    @OptionGroup var load: LoadOptions
    @OptionGroup var messages: MessageOptions

    @Option(
        help: ArgumentHelp("Connections that send, in turn (default: 1).", valueName: "n"),
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

/// `apus bench idle`: connections that are open and silent.
struct BenchIdleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "Measure the memory of connections that are open.",
        discussion: """
            Opens --connections, sends one message on each so that it has what it needs for that, \
            and keeps them for --duration. Memory is resident memory as the kernel counts it; its \
            own, of each socket, is not in it. Linux gives one address some 28,000 ports.

            EXAMPLES:
              apus bench idle ws://127.0.0.1:8080/echo --connections 10000
              apus bench idle ws://127.0.0.1:8080/echo --compression takeover --size 1KiB
              apus bench idle ws://127.0.0.1:8080/ws --silent
            """)

    @OptionGroup var load: LoadOptions
    @OptionGroup var messages: PayloadOptions

    @Flag(help: "Send no message: for paths that don't echo.")
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
        abstract: "Measure opening handshakes a second.",
        discussion: """
            --connections are opened at once; each is closed by a closing handshake once it is \
            open, and another one opened in its place. Latency is from the connect to \
            the server's answer.

            EXAMPLES:
              apus bench connect ws://127.0.0.1:8080/echo --connections 64
            """)

    @OptionGroup var load: LoadOptions

    func run() async throws { try await bench(load.plan(.connect) { _ in }, load) }
}
