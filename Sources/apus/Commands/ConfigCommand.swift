import ArgumentParser
import Logging

/// `apus config`: checks and prints configurations without serving.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Check a configuration, or print the default one.",
        discussion: """
            EXAMPLES:
              apus config defaults > apus.yaml
              apus config check --config apus.yaml
            """,
        subcommands: [CheckCommand.self, DefaultsCommand.self])
}

/// `apus config check`: validates and shows the differences from the defaults.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate the configuration and show what differs from the defaults.",
        discussion: """
            Reads what "apus serve" would read: the file, the environment variables APUS_… and \
            --set. All errors are printed together, each with its place, key, value and the \
            allowed values. Then the files of auth.jwt.jwks, auth.users and tls are read. A URL is \
            not fetched. Warns of environment variables that name no key, and of empty ones, which \
            leave their key as it is.

            EXAMPLES:
              apus config check --config apus.yaml
              apus config check --set drain.spread=1m --set drain.deadline=2m
            """)

    @OptionGroup var source: SourceOptions

    func run() async throws {
        let log = StandardErrorLog()
        defer { log.finish() }
        let loaded = try loadForCommand(source.sources())
        let logger = log.logger()
        loaded.logWarnings(logger)
        _ = try await readForCommand(loaded.settings.auth, log: log, logger: logger)
        _ = try readTLSForCommand(loaded, log: log, logger: logger)
        print(report(on: loaded))
    }
}

/// `apus config defaults`: prints the shipped `config/apus.yaml`.
struct DefaultsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "defaults",
        abstract: "Print a configuration file with every key at its default.",
        discussion: """
            EXAMPLES:
              apus config defaults > apus.yaml
              apus config defaults --markdown
            """)

    @Flag(help: "Print a Markdown table of the keys instead.")
    var markdown = false

    func run() throws {
        print(markdown ? Schema.markdownTable : Schema.defaultsFile, terminator: "")
    }
}
