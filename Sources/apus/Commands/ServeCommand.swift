import ArgumentParser

/// `apus serve`: reads the configuration, then serves until a signal stops it.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Start the server.",
        discussion: """
            When the server is ready, it prints a line for each address to standard output, such \
            as "listening on http://127.0.0.1:8080". The log goes to standard error.

            Each key can be set in three places. The later ones win:
              1. the file       limits: { message: { max: 64KiB } }
              2. environment    APUS_LIMITS_MESSAGE_MAX=64KiB
              3. command line   --set limits.message.max=64KiB
            An empty environment variable counts as unset.

            Sizes are written as bytes, or with KiB, MiB or GiB; durations as 500ms, 30s, 2m, 1h \
            or 7d. "apus config defaults" prints all keys.

            Tasks are stored in the SQLite file that tasks.database names, by default apus.sqlite \
            in the current folder. If the name is empty, there are no tasks.

            EXAMPLES:
              apus serve --host 0.0.0.0 --port 9000
              apus serve --config apus.yaml --set limits.message.max=64KiB
              apus serve --port 0 --tools         any free port, with /echo and /broadcast
              apus serve --set server.socket=/run/apus.sock
              APUS_LOG_LEVEL=debug apus serve
            """)

    @OptionGroup var source: SourceOptions

    @Option(help: ArgumentHelp("Short for --set server.host=…", valueName: "address"))
    var host: String?

    @Option(
        help: ArgumentHelp("Short for --set server.port=…; 0 is any free port.", valueName: "port"))
    var port: String?

    @Option(
        help: ArgumentHelp("Short for --set server.loops=…; 0 is one per core.", valueName: "n"))
    var loops: String?

    @Flag(help: "Short for --set server.tools=true: adds /echo and /broadcast, for tests.")
    var tools = false

    func run() async throws {
        let reloads = ReloadRequests()
        let log = StandardErrorLog()
        defer { log.finish() }
        let sources = self.sources
        let loaded = try loadForCommand(sources)
        log.settings.apply(loaded.settings.log)
        let logger = log.logger()
        loaded.logWarnings(logger)
        let tls = try readTLSForCommand(loaded, log: log, logger: logger)
        try await serve(
            loaded, from: sources, tls: tls, reloads: reloads, log: log, logger: logger)
    }

    /// All sources to read. Options that are short for a `--set` come last and win.
    var sources: Sources {
        let given: [(option: String, key: String, text: String?)] = [
            ("--host", "server.host", host),
            ("--port", "server.port", port),
            ("--loops", "server.loops", loops),
            ("--tools", "server.tools", tools ? "true" : nil),
        ]
        let shorthands = given.compactMap { option, key, text in
            text.map { Override(option: option, key: key, text: $0) }
        }
        return source.sources(shorthands: shorthands)
    }
}
