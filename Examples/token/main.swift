// A token that is looked up before the upgrade: in the `Authorization` header of programs, or in the
// subprotocols of a browser, which can't set headers: `new WebSocket(url, ["bearer", token])`.
//
//     swift run example-token [PORT]
//     apus connect --token token-of-ada ws://127.0.0.1:8080/inbox
import WebSocketServer

struct Member: Sendable {
    let name: String
    /// The time for which the token is still valid.
    let lifetime: Duration
}

/// Stands for a database: a look-up takes a while, and may fail.
actor Directory {
    // A client chooses the token, so it is compared byte by byte, as an `ExactString`.
    private let members: [ExactString: Member] = [
        "token-of-ada": Member(name: "ada", lifetime: .seconds(3600)),
        "token-of-bob": Member(name: "bob", lifetime: .milliseconds(500)),
    ]

    func member(with token: ExactString) async throws -> Member? { members[token] }
}

/// Returns the token of a request.
@Sendable func token(of request: UpgradeRequest) -> ExactString? {
    if let field = request.head.headerFields[.authorization] {
        let words = field.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bearer" else { return nil }
        return ExactString(String(words[1]))
    }
    guard request.subprotocols.count == 2, request.subprotocols[0] == "bearer" else { return nil }
    return ExactString(request.subprotocols[1])
}

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 8080 : 8080
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: port))
configuration.handlesSignals = true
let directory = Directory()

var router = Router()
router.upgrade("/inbox") { request in
    // An error of the look-up is logged, and answered with 500. A look-up that takes longer than
    // `limits.handshakeTimeout` is cancelled, and answered with 503.
    guard let token = token(of: request), let member = try await directory.member(with: token)
    else {
        return .refuse(
            .unauthorized, "A valid token is needed.", headerFields: [.wwwAuthenticate: "Bearer"])
    }
    // A browser that offers subprotocols needs one in the response.
    return .accept(subprotocol: request.subprotocol(among: ["bearer"])) { connection in
        // The connection lives as long as its token.
        connection.setDeadline(after: member.lifetime) { connection in
            // 4000 to 4999 are codes of applications (RFC 6455 §7.4.2).
            connection.close(4001, reason: "reconnect with a new token")
        }
        try await connection.send("Hello \(member.name)")
        for try await message in connection.messages { try await connection.send(message) }
    }
}

try await Server(configuration: configuration, router: router).run()
