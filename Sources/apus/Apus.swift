import ArgumentParser
import Dispatch
import Glibc

/// The program's entry point: `apus serve`, the commands that prepare for it, a client, and
/// benchmarks.
@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A WebSocket server, with a client and benchmarks.",
        discussion: """
            EXAMPLES:
              apus serve                                start on 127.0.0.1:8080
              apus serve --config config/apus.yaml      start with a configuration file
              apus config check --config apus.yaml      validate it without starting
              apus config defaults > apus.yaml          write a file with every key
              apus users add ada --file users           add a user for POST /token
              export APUS_AUTH_JWT_SECRET=$(openssl rand -hex 32)
              apus reload --pid 4711                    read the configuration again
              apus dev-certificate                      make a certificate for tests of TLS
              apus token --sub ada                      make a token for tests
              export APUS_ADMIN_LISTEN=127.0.0.1:8081   have an admin listener
              apus serve --tools --port 9000 &          start with /echo and /broadcast
              apus connect ws://127.0.0.1:9000/echo     talk to a server from the terminal
              apus admin connections                    list the connections of that server
              apus bench echo ws://127.0.0.1:9000/echo  put load on a server, and measure
              apus --generate-completion-script bash    completions for bash, zsh or fish

            EXIT STATUS:
              0    Success. For "serve": a clean stop.
              1    The command failed. For example, the server can't listen, a
                   connection was refused or lost, or a benchmark had errors.
              64   The command line is wrong.
              78   The configuration has errors. They are printed to standard error.
              130  Interrupted before the command could finish.
            """,
        version: Version.report(),
        subcommands: [
            ServeCommand.self, ReloadCommand.self, ConnectCommand.self, ConfigCommand.self,
            TokenCommand.self, UsersCommand.self, AdminCommand.self, DevCertificateCommand.self,
            BenchCommand.self,
        ])

    /// Starts the program. Not `async`, because the runtime would already have opened descriptors
    /// of its own.
    static func main() {
        openStandardStreams()
        if let unknown = UnknownCommand.find(in: Array(CommandLine.arguments.dropFirst())) {
            writeToStandardError(unknown.description)
            Glibc.exit(64)
        }
        Task {
            await main(nil)
            Glibc.exit(0)
        }
        dispatchMain()
    }
}
