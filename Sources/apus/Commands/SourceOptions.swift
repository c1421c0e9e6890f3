import ArgumentParser
import Foundation
import Logging
import RealtimeApp

/// The options that say where configuration comes from; every command that reads it has them.
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

    /// Everything to read, the process's environment included.
    ///
    /// - Parameter shorthands: what options such as `--port` set; they win over `--set`.
    func sources(shorthands: [Override] = []) -> Sources {
        Sources(
            file: config,
            environment: ProcessInfo.processInfo.environment,
            overrides: assignments.map(\.override) + shorthands)
    }
}

/// The `KEY=VALUE` of a `--set`.
struct Assignment: ExpressibleByArgument {
    let override: Override

    /// `nil`, which is a usage error, without `=` or without a key.
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

/// Reads the files that the keys below `auth` name; faults are told as those of keys are.
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

/// Loads `sources`; faults go to standard error and become exit status 78 (`EX_CONFIG`).
func loadForCommand(_ sources: Sources) throws(ExitCode) -> Loaded {
    do {
        return try load(sources)
    } catch {
        writeToStandardError(error.description + "\n")
        throw ExitCode(78)
    }
}

extension Loaded {
    /// Logs what is odd about the configuration.
    func logWarnings(_ logger: Logger) {
        for warning in warnings { logger.warning("\(warning)") }
    }
}
