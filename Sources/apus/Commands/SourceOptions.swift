import ArgumentParser
import Foundation
import Logging
import RealtimeApp

/// The options that name the sources of the configuration, for every command that reads it.
struct SourceOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read this YAML file (default: none).", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Set a key; may be repeated. The last value for a key counts.",
            valueName: "key=value"),
        completion: .list(Schema.keys.map { $0.name + "=" }))
    var assignments: [Assignment] = []

    /// Returns all sources to read, including the environment of the process.
    ///
    /// - Parameter shorthands: The settings of options such as `--port`; they win over `--set`.
    func sources(shorthands: [Override] = []) -> Sources {
        Sources(
            file: config,
            environment: ProcessInfo.processInfo.environment,
            overrides: assignments.map(\.override) + shorthands)
    }
}

/// The `KEY=VALUE` argument of a `--set`.
struct Assignment: ExpressibleByArgument {
    let override: Override

    /// Returns `nil`, which is a usage error, if there is no `=` or no key.
    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            return nil
        }
        override = Override(
            option: "--set",
            key: String(argument[..<equals]),
            text: String(argument[argument.index(after: equals)...]))
    }
}

/// Reads the files that the keys below `auth` name. Their errors are reported like those of keys.
func readForCommand(
    _ options: AuthenticationOptions, log: StandardErrorLog, logger: Logger
) async throws(ExitCode) -> Authentication {
    do {
        return try await Authentication(options, logger: logger)
    } catch {
        let faults = ConfigurationFaults(faults: [Fault(error.key, error.problem)])
        log.complain(faults.description + "\n")
        throw ExitCode(78)
    }
}

/// Loads `sources`; errors go to standard error and lead to exit status 78 (`EX_CONFIG`).
func loadForCommand(_ sources: Sources) throws(ExitCode) -> Loaded {
    do {
        return try load(sources)
    } catch {
        writeToStandardError(error.description + "\n")
        throw ExitCode(78)
    }
}

extension Loaded {
    /// Logs the warnings about the configuration.
    func logWarnings(_ logger: Logger) {
        for warning in warnings { logger.warning("\(warning)") }
    }
}
