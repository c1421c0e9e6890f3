// Code with a test: see PollTests.
import WebSocketServer

/// Returns the routes: `/polls/{poll:int}`, where each client votes once.
public func makeRouter() -> Router {
    var router = Router()
    router.upgrade("/polls/{poll:int}") { request in
        .accept(Voter(poll: "polls/\(request.parameters.integer("poll"))"))
    }
    return router
}

/// One client of one poll. It sees all votes from now on, and has a minute for its own.
final class Voter: ConnectionHandler {
    private let poll: String
    private var hasVoted = false

    init(poll: String) { self.poll = poll }

    func onOpen(_ connection: Connection) {
        connection.subscribe(to: poll)
        connection.setDeadline(after: .seconds(60)) { connection in
            connection.close(.policyViolation, reason: "no vote within a minute")
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        guard !hasVoted else {
            return connection.close(.policyViolation, reason: "each client votes once")
        }
        guard let answer = Int(String(payload)), 1...4 ~= answer else {
            return connection.close(.unsupportedData, reason: "vote with a number from 1 to 4")
        }
        hasVoted = true
        connection.clearDeadline()
        connection.publish("\(answer)", to: poll)
    }
}
