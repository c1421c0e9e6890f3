import ArgumentParser
import Dispatch
import Glibc

/// The program's entry point: `apus serve`, what prepares for it, and `apus bench`.
@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A WebSocket server.",
        discussion: """
            EXAMPLES:
              apus serve                                start on 127.0.0.1:8080
              apus serve --config config/apus.yaml      start with a configuration file
              apus users add ada --file users           a user for POST /token
              apus token --sub ada --config apus.yaml   a token to try things with
              apus config check --config apus.yaml      validate, start nothing
              apus config defaults > apus.yaml          write every key with its default
              apus bench echo ws://127.0.0.1:8080/ws    put load on a server, and measure
              apus --generate-completion-script bash    completions for bash, zsh or fish

            EXIT STATUS: 0 after a clean stop, 64 for a wrong command line, 78 for a \
            configuration with faults; the faults are on standard error.
            """,
        version: Version.report(),
        subcommands: [
            ServeCommand.self, ConfigCommand.self, TokenCommand.self, UsersCommand.self,
            BenchCommand.self,
        ])

    /// Not `async`: the runtime would have opened descriptors of its own by then.
    static func main() {
        openStandardStreams()
        Task {
            await main(nil)
            Glibc.exit(0)
        }
        dispatchMain()
    }
}
