import HTTPProtocol
import HTTPTypes
import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// Sequences of combining marks in requests and topics. Comparing 128 KB of them as Swift strings
/// takes about 6 seconds.
@Suite("Combining marks in requests and topics cost no more than other text")
struct CombiningMarksTests {
    private static let marks = combiningMarks(bytes: 128 << 10)
    /// The limit in seconds. Linear work takes a fraction of it, even unoptimized.
    private static let limit = 2.0

    private func parse(_ text: String) -> RequestEvent {
        let limits = HTTPLimits(headSizeMax: 4 << 20, headerCountMax: 100)
        var parser = RequestParser(limits: limits)
        return Array(text.utf8).withUnsafeBytes { parser.parse($0).event }
    }

    @Test("as text that is compared and hashed")
    func exact() {
        let seconds = threadSeconds {
            let one = ExactString(Self.marks)
            let other = ExactString(Self.marks + "\u{316}")
            #expect(one == ExactString(String(Self.marks.unicodeScalars)))
            #expect(one != other)
            #expect(Set([one, other, one]).count == 2)
            #expect(one.prefix(41).utf8.count == 40)
            #expect("\(one)".utf8.count == one.utf8.count)
        }
        #expect(seconds < Self.limit)
    }

    @Test("in a path, whatever routes there are")
    func paths() throws {
        var router = Router()
        router.get("/literal/{name}") { _ in .text("") }
        router.get("/{id:int}/literal") { _ in .text("") }
        router.get("/caf\u{E9}") { _ in .text("") }
        let encoded = Self.marks.utf8.map { "%" + String($0, radix: 16) }.joined()
        let seconds = try threadSeconds {
            for path in ["/literal/\(encoded)", "/\(encoded)/literal", "/\(encoded)"] {
                guard case .head(let head) = parse("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n") else {
                    throw DeadlineError()
                }
                let found = router.table.find(.get, head.pathSegments, isUpgrade: false)
                switch found {
                case .respond(_, let parameters, _, _):
                    #expect(parameters["name"] != "lobby")
                    #expect(parameters == parameters)
                case .unmatched(.wrongType(_, let value)):
                    #expect(value.prefix(40).utf8.count == 40)
                default: break
                }
            }
        }
        #expect(seconds < Self.limit)
    }

    struct DeadlineError: Error {}

    @Test(
        "in the fields of a request",
        arguments: [
            "Accept", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie",
            "Expect", "Forwarded", "Host", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key",
            "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Transfer-Encoding", "Upgrade",
            "X-Forwarded-For",
        ])
    func fields(name: String) {
        let standard = [
            "Host": "a", "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ]
        let seconds = threadSeconds {
            for value in [Self.marks, "\(standard[name] ?? "x")\(Self.marks), \(Self.marks)"] {
                let lines = standard.merging([name: value]) { $1 }.map { "\($0): \($1)\r\n" }
                let text = "GET / HTTP/1.1\r\n\(lines.joined())\r\n"
                guard case .head(let head) = parse(text) else { continue }
                let fields = head.request.headerFields
                #expect(fields[exact: .accept] != "*/*")
                _ = OpeningHandshake.isUpgradeRequest(head.request)
                _ = try? OpeningHandshake.check(head.request)
                for hops in [ForwardedHops.xForwardedFor, .forwarded] {
                    #expect(hops.last(of: fields) { _ in true } == nil)
                }
            }
        }
        #expect(seconds < Self.limit)
    }

    @Test("in a server's answer to the client")
    func answers() {
        let handshake = ClientHandshake(
            nonce: [UInt8](repeating: 7, count: 16), subprotocols: ["chat"])
        let accept = OpeningHandshake.acceptValue(forKey: handshake.key)
        let fields: HTTPFields = [
            .upgrade: "websocket", .connection: "Upgrade", .secWebSocketAccept: accept,
        ]
        let seconds = threadSeconds {
            for name in [
                HTTPField.Name.upgrade, .connection, .secWebSocketAccept, .secWebSocketProtocol,
                .secWebSocketExtensions,
            ] {
                var fields = fields
                fields[name] = Self.marks
                #expect(throws: ClientHandshakeFault.self) {
                    try handshake.check(
                        HTTPResponse(
                            status: .init(code: 101, reasonPhrase: Self.marks), headerFields: fields
                        ))
                }
            }
        }
        #expect(seconds < Self.limit)
    }

    @Test("in the name of a topic")
    func topics() {
        let topics = TopicConfiguration()
        let seconds = threadSeconds {
            #expect(!topics.isValidName(Self.marks))
            #expect(topics.policy(of: Self.marks) == topics.slowSubscribers)
            var table = TopicTable()
            let subscriber = Subscriber(owner: nil, mode: .plain)
            #expect(table.subscribe(subscriber, to: Self.marks, policy: .disconnect) == true)
            #expect(table[Self.marks + "a"] == nil)
            #expect(table.leave(subscriber).count == 1)
            let publication = Publication([UInt8(7)].span.bytes, as: .text, to: Self.marks)
            #expect(publication.isSameTopic(as: publication))
        }
        #expect(seconds < Self.limit)
    }
}
