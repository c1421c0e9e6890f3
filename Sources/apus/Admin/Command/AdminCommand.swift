import ArgumentParser
import Foundation
import HTTPTypes

/// `apus admin`: asks and controls a running server by its admin listener.
struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "Ask and control a running server by its admin listener.",
        discussion: """
            The server must have an admin listener (admin.listen). Its address and token are read \
            from the same configuration as the server's: the file, the environment and --set.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin connections --route /ws
              apus admin topics --json
              apus admin publish notifications/news "The shop is open."
              apus admin disconnect --route /ws --code 1012
              apus admin drain
              apus admin undrain
            """,
        subcommands: [
            AdminConnectionsCommand.self, AdminDisconnectCommand.self, AdminTopicsCommand.self,
            AdminPublishCommand.self, AdminConfigCommand.self, AdminDrainCommand.self,
            AdminUndrainCommand.self,
        ])
}

/// `apus admin drain`: takes a server out of service.
struct AdminDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Take the server out of service until \"undrain\".",
        discussion: """
            /readyz answers 503, and new WebSockets are refused with 503. Open connections and \
            other requests are still served.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin drain
            """)

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try admin.run(AdminDrained.self) { _ in
            "drained: new WebSockets are refused until \"apus admin undrain\""
        } _: { client throws(AdminClient.Failure) in
            try client.send(.post, "/admin/drain")
        }
    }
}

/// `apus admin undrain`: takes a server into service again.
struct AdminUndrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain",
        abstract: "Take the server into service again.",
        discussion: """
            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin undrain
            """)

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try admin.run(AdminDrained.self) {
            $0.draining ? "the server is stopping" : "in service"
        } _: { client throws(AdminClient.Failure) in
            try client.send(.post, "/admin/undrain")
        }
    }
}

/// `apus admin config`: shows the configuration in effect.
struct AdminConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show the configuration in effect, without secrets.",
        discussion: """
            Shows the keys that differ from their defaults; --json has all keys.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin config
            """)

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try admin.run(AdminConfiguration.self) { answer in
            let rows = answer.keys.filter { $0.value != $0.default }.map {
                [$0.key, $0.value, $0.default, $0.origin ?? ""]
            }
            if rows.isEmpty { return "every key has its default" }
            return TextTable(columns: ["KEY", "VALUE", "DEFAULT", "SET BY"], rows: rows).text
        } _: { client throws(AdminClient.Failure) in
            try client.send(.get, "/admin/config")
        }
    }
}
