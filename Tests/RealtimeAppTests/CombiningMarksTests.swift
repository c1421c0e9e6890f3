import HTTPProtocol
import HTTPTypes
import Testing
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// Sequences of combining marks in every place where a peer can send text. Comparing 128 KB of them
/// as Swift strings takes about 6 seconds.
@Suite("Combining marks cost no more than other text")
struct CombiningMarksTests {
    private static let marks = combiningMarks(bytes: 128 << 10)
    /// The limit in seconds. Linear work takes a fraction of it, even unoptimized.
    private static let limit = 2.0

    private static let escaped = marks.unicodeScalars.prefix(20_000)
        .map { "\\u0" + String($0.value, radix: 16) }.joined()

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func expectLinear(
        _ body: () throws -> Void, location: SourceLocation = #_sourceLocation
    ) rethrows {
        let seconds = try threadSeconds(body)
        #expect(seconds < limit, sourceLocation: location)
    }

    @Test("in JSON, as names and as strings")
    func json() throws {
        for text in [marks, "a\(marks)", escaped] {
            try Self.expectLinear {
                let object = try JSONReader.read(
                    Self.bytes(#"{"\#(text)":"\#(text)","\#(text)":1}"#))
                guard case .object(let members) = object else { throw JSONMembers.WrongType() }
                #expect(members.count == 1)
                #expect(members["a"] == nil)
                #expect(object == object)
            }
        }
        // Many names instead of a long one.
        let few = String(marks.unicodeScalars.prefix(20))
        let members = (0..<4_000).map { #""\#($0)\#(few)":1"# }
        try Self.expectLinear {
            _ = try JSONReader.read(Self.bytes("{\(members.joined(separator: ","))}"))
        }
    }

    private var marks: String { Self.marks }
    private var escaped: String { Self.escaped }

    @Test("in a task")
    func tasks() throws {
        for body in [
            #"{"\#(marks)":1,"id":1,"title":"t"}"#, #"{"id":"\#(marks)","title":"t"}"#,
            #"{"id":"1\#(marks)","title":"t"}"#, #"{"id":1,"title":"\#(marks)"}"#,
            #"{"id":1,"title":"t","description":"\#(marks)"}"#,
        ] {
            Self.expectLinear { _ = NewTask.read(Self.bytes(body), as: .none) }
        }
        Self.expectLinear {
            let type = MediaType(ExactString("application/json\(marks)"))
            #expect(type == .malformed)
            _ = NewTask.read(Self.bytes("{}"), as: MediaType(ExactString("\(marks);\(marks)")))
        }
    }

    @Test("in a form or a query, as names and as values, encoded or not")
    func forms() throws {
        let encoded = marks.utf8.prefix(40_000).map { "%" + String($0, radix: 16) }.joined()
        for text in [marks, encoded] {
            let form = Self.bytes("\(text)=1&\(text)=2&limit=\(text)&message=\(text)")
            let query = ExactString(String(decoding: form, as: UTF8.self))
            Self.expectLinear {
                #expect(Form(form)["limit"] != nil)
                #expect(TokenRequest(form) == nil)
            }
            Self.expectLinear {
                guard case .failure = TaskPage.read(query: query) else {
                    Issue.record("combining marks are no limit")
                    return
                }
            }
            try Self.expectLinear {
                _ = try PublishedMessage.read(query: query, [], as: .none)
                _ = try PublishedMessage.read(
                    query: nil, form, as: .named("application/x-www-form-urlencoded"))
            }
        }
        try Self.expectLinear {
            let json = Self.bytes(#"{"\#(marks)":"x","message":"\#(marks)"}"#)
            _ = try PublishedMessage.read(query: nil, json, as: .named("application/json"))
        }
    }

    private func readMessage(_ text: String) -> TokenMessage {
        Self.bytes(text).withUnsafeBytes { TokenMessage(RawSpan(_unsafeBytes: $0)) }
    }

    @Test("in a message that may contain a token")
    func tokenMessages() {
        Self.expectLinear {
            #expect(readMessage(#"{"token":"a","\#(marks)":"x"}"#) == .other)
            #expect(readMessage(#"{"\#(marks)":"x"}"#) == .other)
            #expect(readMessage(#"{"token":"\#(marks)"}"#) == .tooLong)
            #expect(readMessage(#"{"\u0074oken":"\#(escaped)"}"#) == .tooLong)
            #expect(readMessage(#"{"token\#(marks)":"x"}"#) == .other)
        }
        // In many strings, of which the last one counts.
        let many = String(repeating: #""token":"\u0300","#, count: 20_000)
        Self.expectLinear { #expect(readMessage(#"{\#(many)"token":"x"}"#) == .token("x")) }
    }

    @Test("in a token: as it is, in its header and in its claims")
    func tokens() throws {
        Self.expectLinear {
            for text in [marks, "\(marks).\(marks).\(marks)"] {
                #expect(throws: TokenFault.self) { try Token(ExactString(text)) }
            }
        }
        // A token has at most 8 KiB. All of its parts are read, whatever they contain.
        try Self.expectLinear {
            let header = #"{"\#(marks)":1,"alg":"\#(marks)","kid":"\#(marks)"}"#
            let read = try Token.Header(Self.bytes(header))
            #expect(read.algorithm == read.keyID)
            #expect(KeySet().key(for: read) == nil)
            let claims = try TokenClaims(
                Self.bytes(
                    #"{"\#(marks)":1,"sub":"\#(marks)","iss":"\#(marks)","aud":["\#(marks)"]}"#))
            var options = AuthenticationOptions()
            (options.issuer, options.audience) = (marks, "a")
            options.requiresExpiry = false
            #expect(throws: TokenFault("for another audience")) {
                try claims.check(options, at: 0)
            }
        }
    }

    @Test("in a header that may contain a token")
    func sources() {
        Self.expectLinear {
            for value in [marks, "Bearer \(marks)", "Bearer\(marks) x"] {
                let head = HTTPRequest(
                    method: .get, scheme: nil, authority: nil, path: "/",
                    headerFields: [.authorization: value])
                let query = ExactString("\(marks)=\(marks)&token=\(marks)")
                _ = TokenSource(head, query: query, acceptsQuery: true)
            }
        }
    }

    @Test("as the name or the password of a client that signs in")
    func signIn() throws {
        let costs = PasswordHash.Costs(log2Rounds: 10, blockSize: 8, parallelism: 1)
        let hash = try PasswordHash(of: "x", costs, salt: [UInt8](repeating: 1, count: 16))
        let file = try UsersFile("caf\u{E9}:\(hash)\n")
        let limiter = RateLimiter(perMinute: 10)
        Self.expectLinear {
            for text in [marks, "cafe\(marks)"].map(ExactString.init(_:)) {
                let name = UserName(text)
                #expect(name == UserName(text))
                #expect(limiter.attempt(by: "\(name.normalized)", at: 1) == nil)
                #expect(file.user(named: name, password: text) == nil)
            }
        }
    }
}
