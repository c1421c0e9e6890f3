import ArgumentParser
import Foundation
import HTTPTypes

/// The options that choose connections. A connection must meet all of them.
struct AdminConnectionFilter: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Those of this address, or of a range such as 10.0.0.0/8.", valueName: "address"))
    var address: String?

    @Option(help: ArgumentHelp("Those of the user with this token.", valueName: "name"))
    var user: String?

    @Option(
        help: ArgumentHelp("Those of this route, such as /ws/{client_id:int}.", valueName: "path"))
    var route: String?

    @Option(help: ArgumentHelp("Those that subscribe to this topic.", valueName: "topic"))
    var topic: String?

    /// The parameters of the request.
    var query: [(String, String)] {
        [("address", address), ("user", user), ("route", route), ("topic", topic)]
            .compactMap { name, value in value.map { (name, $0) } }
    }
}

/// `apus admin connections`: lists connections.
struct AdminConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "List connections.",
        discussion: """
            Lists the oldest connections first. IN and OUT are bytes on the wire; WAITING are the \
            bytes that the client has yet to take.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin connections
              apus admin connections --address 127.0.0.0/8 --limit 10
              apus admin connections --topic notifications/news --json
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var chosen: AdminConnectionFilter

    @Option(help: ArgumentHelp("List this many; 0 only counts them.", valueName: "n"))
    var limit = 100

    func run() async throws {
        try admin.run(AdminConnections.self) {
            Self.text($0)
        } _: { client throws(AdminClient.Failure) in
            try client.send(
                .get, "/admin/connections", query: chosen.query + [("limit", "\(limit)")])
        }
    }

    static func text(_ answer: AdminConnections) -> String {
        let total = answer.count == 1 ? "1 connection" : "\(answer.count) connections"
        guard !answer.connections.isEmpty else { return total }
        let rows = answer.connections.map { entry in
            let more = entry.topicCount - entry.topics.count
            return [
                "\(entry.id)", entry.address, entry.user ?? "", entry.route ?? entry.state,
                age(entry.ageSeconds), size(entry.bytesReceived), size(entry.bytesSent),
                size(UInt64(entry.waitingBytes)),
                entry.topics.joined(separator: ", ") + (more > 0 ? " and \(more) more" : ""),
            ]
        }
        let table = TextTable(
            columns: ["ID", "ADDRESS", "USER", "ROUTE", "AGE", "IN", "OUT", "WAITING", "TOPICS"],
            rows: rows, numbers: [0, 4, 5, 6, 7])
        let hidden = answer.count - answer.connections.count
        return table.text + "\n" + total + (hidden > 0 ? ", \(hidden) not shown (--limit)" : "")
    }

    private static func age(_ seconds: Double) -> String {
        let seconds = Int(seconds)
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3_600: "\(seconds / 60)m\(seconds % 60)s"
        case ..<86_400: "\(seconds / 3_600)h\(seconds / 60 % 60)m"
        default: "\(seconds / 86_400)d\(seconds / 3_600 % 24)h"
        }
    }

    private static func size(_ bytes: UInt64?) -> String {
        guard let bytes else { return "" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1_024, unit < units.count - 1 { (value, unit) = (value / 1_024, unit + 1) }
        let tenths = (value * 10).rounded() / 10
        return unit == 0 ? "\(bytes)B" : "\(tenths)\(units[unit])"
    }
}

/// `apus admin disconnect`: closes connections.
struct AdminDisconnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disconnect",
        abstract: "Close connections.",
        discussion: """
            Closes the connection with an id, those that --address, --user, --route and --topic \
            choose, or --all. The clients receive a Close frame with the code and the reason.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin disconnect --user ada --code 4003 --reason "signed out"
              apus admin disconnect --all --code 1012
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var chosen: AdminConnectionFilter

    @Argument(help: "The number of a connection, as \"apus admin connections\" lists it.")
    var id: UInt64?

    @Flag(help: "Close all connections.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "The close code: 1000, 1001, 1003, 1008, 1011, 1012, 1013, or 3000 to 4999.",
            valueName: "code"))
    var code = 1001

    @Option(help: ArgumentHelp("The reason for the clients.", valueName: "text"))
    var reason: String?

    func validate() throws {
        let ways = [id != nil, !chosen.query.isEmpty, all].count { $0 }
        guard ways == 1 else {
            throw ValidationError(
                "Give either an id, or options such as --user and --route, or --all.")
        }
    }

    func run() async throws {
        try admin.run(AdminDisconnected.self) {
            $0.closed == 1 ? "closed 1 connection" : "closed \($0.closed) connections"
        } _: { client throws(AdminClient.Failure) in
            let path = id.map { "/admin/connections/\($0)" } ?? "/admin/connections"
            let query =
                chosen.query + (all ? [("all", "true")] : []) + [("code", "\(code)")]
                + (reason.map { [("reason", $0)] } ?? [])
            return try client.send(.delete, path, query: query)
        }
    }
}
