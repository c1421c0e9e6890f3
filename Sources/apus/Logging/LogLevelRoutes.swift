import Foundation
import HTTPTypes
import Logging
import WebSocketServer

/// The level of the log, as `/admin/log-level` has it: `{"level":"debug"}`.
struct LogLevelBody: Codable {
    let level: String
}

/// The routes that read and change the level of the log while the server runs.
enum LogLevelRoutes {
    static let path = "/admin/log-level"

    static func add(to router: inout Router, _ settings: LogSettings, _ logger: Logger) {
        router.get(path) { _ in .admin(LogLevelBody(level: settings.level.rawValue)) }
        router.put(path) { request in
            let wanted = try request.decode(LogLevelBody.self) { type, data in
                try AdminJSON.decode(type, from: data)
            }
            guard let level = Logger.Level(rawValue: wanted.level) else {
                let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(.unprocessableContent, "level must be one of: \(levels).")
            }
            let previous = settings.level
            settings.level = level
            if level != previous {
                logger.notice(
                    "the level of the log has changed",
                    metadata: ["from": "\(previous)", "to": "\(level)"])
            }
            return .admin(LogLevelBody(level: level.rawValue))
        }
    }
}
