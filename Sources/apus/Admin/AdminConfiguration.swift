import WebSocketServer

/// The answer to `GET /admin/config`: the configuration in effect, without secrets.
struct AdminConfiguration: Codable {
    struct Entry: Codable {
        let key: String
        let value: String
        let `default`: String
        /// The place where the value was set; `nil` for the default.
        let origin: String?
    }

    let keys: [Entry]

    init(_ loaded: Loaded) {
        keys = Schema.keys.map { key in
            let value = key.value(in: loaded.draft)
            return Entry(
                key: key.name,
                // The default of a secret is none.
                value: key.isSecret && value != key.initial ? "<secret>" : value,
                default: key.initial, origin: loaded.origins[key.name]?.description)
        }
    }
}

/// The answer to `POST /admin/drain` and `POST /admin/undrain`.
struct AdminDrained: Codable {
    let draining: Bool
}

/// The routes of the configuration, and of taking the server out of service.
enum AdminServerRoutes {
    static func add(to router: inout Router, _ context: AdminContext) {
        router.get("/admin/config") { _ in .admin(AdminConfiguration(context.loaded())) }
        let server = context.server
        router.post("/admin/drain") { _ in
            server.drain()
            return .admin(AdminDrained(draining: server.isDraining))
        }
        router.post("/admin/undrain") { _ in
            server.undrain()
            return .admin(AdminDrained(draining: server.isDraining))
        }
    }
}
