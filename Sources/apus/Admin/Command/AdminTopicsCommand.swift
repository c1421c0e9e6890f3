import ArgumentParser
import Foundation
import HTTPTypes

/// `apus admin topics`: lists topics.
struct AdminTopicsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topics",
        abstract: "List the topics that have subscribers.",
        discussion: """
            Lists the topics with the most subscribers first. Subscribers of other servers with \
            the same broker aren't counted.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin topics
              apus admin topics --prefix notifications/ --json
            """)

    @OptionGroup var admin: AdminOptions

    @Option(help: ArgumentHelp("Those whose names begin so.", valueName: "text"))
    var prefix: String?

    @Option(help: ArgumentHelp("List this many; 0 only counts them.", valueName: "n"))
    var limit = 100

    func run() async throws {
        try admin.run(AdminTopics.self) { answer in
            let total = answer.count == 1 ? "1 topic" : "\(answer.count) topics"
            guard !answer.topics.isEmpty else { return total }
            let rows = answer.topics.map { ["\($0.subscribers)", $0.name] }
            let table = TextTable(columns: ["SUBSCRIBERS", "TOPIC"], rows: rows, numbers: [0])
            let hidden = answer.count - rows.count
            return table.text + "\n" + total + (hidden > 0 ? ", \(hidden) not shown (--limit)" : "")
        } _: { client throws(AdminClient.Failure) in
            try client.send(
                .get, "/admin/topics",
                query: (prefix.map { [("prefix", $0)] } ?? []) + [("limit", "\(limit)")])
        }
    }
}

/// `apus admin publish`: publishes a message to a topic.
struct AdminPublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish a message to the subscribers of a topic.",
        discussion: """
            Publishes a text. Without one, reads the message from standard input.

            EXAMPLES:
              export APUS_ADMIN_LISTEN=127.0.0.1:8081
              apus serve &
              apus admin publish notifications/news "The shop is open."
              head -c 100 events.jsonl | apus admin publish notifications/raw --binary
            """)

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The topic, such as notifications/news.")
    var topic: String

    @Argument(help: "The text of the message.")
    var text: String?

    @Flag(help: "Publish standard input as a binary message.")
    var binary = false

    @Option(
        help: ArgumentHelp(
            "The subject: a slow consumer may get only its newest message.", valueName: "key"))
    var key: String?

    func validate() throws {
        guard text == nil || !binary else {
            throw ValidationError("--binary is for messages from standard input.")
        }
    }

    func run() async throws {
        var message = AdminPublication(topic: topic, text: text, base64: nil, key: key)
        if text == nil {
            let input = (try? FileHandle.standardInput.readToEnd()) ?? Data()
            let given = binary ? nil : String(validating: input, as: UTF8.self)
            guard binary || given != nil else {
                throw complaint("standard input isn't UTF-8: publish it with --binary")
            }
            message = AdminPublication(
                topic: topic, text: given, base64: binary ? input : nil, key: key)
        }
        try admin.run(AdminPublished.self) {
            $0.subscribers == 1
                ? "published to 1 subscriber of this server"
                : "published to \($0.subscribers) subscribers of this server"
        } _: { [message] client throws(AdminClient.Failure) in
            try client.send(.post, "/admin/publish", json: AdminJSON.encode(message))
        }
    }
}
