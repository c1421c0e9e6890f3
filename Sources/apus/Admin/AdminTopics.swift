import Foundation
import HTTPTypes
import RealtimeApp
import WebSocketServer

/// The answer to `GET /admin/topics`.
struct AdminTopics: Codable {
    struct Entry: Codable {
        let name: String
        let subscribers: Int
    }

    /// The number of all topics that match.
    let count: Int
    /// Those with the most subscribers.
    let topics: [Entry]

    init(_ all: [TopicStatistics], limit: Int) {
        count = all.count
        topics = all.sorted {
            $0.subscribers != $1.subscribers
                ? $0.subscribers > $1.subscribers
                : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }.prefix(limit).map { Entry(name: $0.name, subscribers: $0.subscribers) }
    }
}

/// The body of `POST /admin/publish`: a message of text, or of bytes in Base64.
struct AdminPublication: Codable {
    let topic: String
    let text: String?
    let base64: Data?
    let key: String?
}

/// The answer to `POST /admin/publish`.
struct AdminPublished: Codable {
    /// The number of the topic's subscribers on this server.
    let subscribers: Int
}

/// The routes of topics.
enum AdminTopicRoutes {
    static func add(to router: inout Router, _ context: AdminContext) {
        let server = context.server
        router.get("/admin/topics") { request in
            let query = try AdminQuery(request, allowing: ["prefix", "limit"])
            let limit = try query.number("limit", in: 0...10_000, default: 100)
            let prefix = query["prefix"] ?? ""
            let all = await server.topics().filter { $0.name.utf8.starts(with: prefix.utf8) }
            return .admin(AdminTopics(all, limit: limit))
        }
        router.post("/admin/publish") { request in
            let wanted = try request.decode(AdminPublication.self) { type, data in
                try AdminJSON.decode(type, from: data)
            }
            let options = context.loaded().settings.server.topics
            guard options.isValidName(wanted.topic) else {
                throw Problem(
                    .unprocessableContent,
                    """
                    topic must have 1 to \(options.nameSizeMax) bytes and no control characters.
                    """)
            }
            let publication: Publication
            switch (wanted.text, wanted.base64) {
            case (let text?, nil):
                publication = Publication(text, to: wanted.topic, key: wanted.key)
            case (nil, let bytes?):
                publication = Publication(
                    [UInt8](bytes), as: .binary, to: wanted.topic, key: wanted.key)
            default:
                throw Problem(.unprocessableContent, "Give either text or base64.")
            }
            do throws(BrokerError) {
                try await server.publish(publication)
            } catch {
                throw Problem(
                    .serviceUnavailable,
                    "The message is not confirmed, and may still arrive: \(error.description).",
                    headerFields: [.retryAfter: "1"])
            }
            let subscribers = await server.topics()
                .first { $0.name.utf8.elementsEqual(wanted.topic.utf8) }?.subscribers
            return .admin(AdminPublished(subscribers: subscribers ?? 0))
        }
    }
}
