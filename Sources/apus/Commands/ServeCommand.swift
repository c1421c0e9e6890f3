import ArgumentParser

/// `apus serve`: reads the configuration, then serves until a signal stops it.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Start the server.",
        discussion: """
            When ready it prints one line per listener to standard output, such as
            "listening on http://127.0.0.1:8080". Logs go to standard error.

            Every key can be set in three places; the later wins:
              1. the file       limits: { message: { max: 64KiB } }
              2. environment    APUS_LIMITS_MESSAGE_MAX=64KiB
              3. command line   --set limits.message.max=64KiB
            An empty variable counts as unset.
            Sizes are bytes or KiB, MiB, GiB; durations are 500ms, 30s, 2m, 1h or 7d.
            "apus config defaults" prints every key.

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

    @Option(help: ArgumentHelp("Short for --set server.port=…; 0 picks one.", valueName: "port"))
    var port: String?

    @Option(help: ArgumentHelp("Short for --set server.loops=…; 0 is one a core.", valueName: "n"))
    var loops: String?

    @Flag(help: "Short for --set server.tools=true: adds /echo and /broadcast.")
    var tools = false

    func run() async throws {
        let log = StandardErrorLog()
        defer { log.finish() }
        let loaded = try loadForCommand(sources)
        let logger = log.logger(level: loaded.settings.logLevel)
        loaded.logWarnings(logger)
        try await serve(settings: loaded.settings, log: log, logger: logger)
    }

    /// Everything to read; the options that are short for a `--set` come after it and win.
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
