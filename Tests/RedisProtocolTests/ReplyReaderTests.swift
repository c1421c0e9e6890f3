import Testing
import LiveTesting

@testable import RedisProtocol

/// Parsing the Redis protocol: valid and invalid replies, and the memory that a server can occupy.
@Suite struct ReplyReaderTests {
    private static let limits = ReplyReader.Limits(
        lineMax: 40, replyMax: 200, elementsMax: 20, depthMax: 3)

    /// Returns all replies in `bytes`, which arrive in pieces, and the error after them.
    private func read(
        _ bytes: [UInt8], cuts: [Int] = [], limits: ReplyReader.Limits = limits
    ) -> ([RedisReply], String?) {
        var reader = ReplyReader(limits: limits)
        var replies: [RedisReply] = []
        do throws(ProtocolFault) {
            for (start, end) in zip([0] + cuts, cuts + [bytes.count]) {
                bytes[start..<end].withUnsafeBytes { reader.feed($0) }
                while let reply = try reader.next() { replies.append(reply) }
            }
        } catch { return (replies, error.description) }
        return (replies, nil)
    }

    private func read(_ text: String) -> ([RedisReply], String?) { read(Array(text.utf8)) }

    private static let good: [(String, [RedisReply])] = [
        ("+OK\r\n", [.utf8("OK")]),
        ("+\r\n", [.utf8("")]),
        ("-ERR no\r\n", [.error(RedisText("ERR no".utf8))]),
        (":7\r\n:-7\r\n:+7\r\n:0\r\n", [.integer(7), .integer(-7), .integer(7), .integer(0)]),
        (":9223372036854775807\r\n", [.integer(.max)]),
        (":-9223372036854775808\r\n", [.integer(.min)]),
        ("$0\r\n\r\n", [.utf8("")]),
        ("$4\r\n\r\n\0+\r\n", [.text([0x0D, 0x0A, 0, 0x2B])]),
        ("$-1\r\n*-1\r\n", [.null, .null]),
        ("*0\r\n", [.array([])]),
        (
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n+next\r\n",
            [.array([.utf8("message"), .utf8("c"), .utf8("hi")]), .utf8("next")]
        ),
        (
            "*4\r\n*2\r\n:1\r\n*1\r\n$-1\r\n*0\r\n-E\r\n*-1\r\n",
            [
                .array([
                    .array([.integer(1), .array([.null])]), .array([]),
                    .error(RedisText("E".utf8)), .null,
                ])
            ]
        ),
    ]

    @Test("Replies are parsed, however their bytes are split", arguments: good.indices)
    func replies(index: Int) {
        let (text, replies) = Self.good[index]
        let bytes = Array(text.utf8)
        var random = SplitMix(UInt64(index))
        let someCuts = (0..<20).map { _ in
            bytes.indices.filter { _ in Bool.random(using: &random) }
        }
        for cuts in [[], Array(bytes.indices)] + someCuts {
            let (found, fault) = read(bytes, cuts: cuts)
            #expect(found == replies && fault == nil, "cut at \(cuts)")
        }
    }

    @Test(
        "An invalid reply is an error at its first invalid byte, with a reason",
        arguments: [
            ("H", "a reply of type 'H'"), ("\r\n", "a reply of type '\\x0D'"),
            // RESP3, which wasn't negotiated.
            ("%1\r\n", "type '%'"), ("_\r\n", "type '_'"), ("~", "type '~'"), (">", "type '>'"),
            ("#t", "type '#'"), (",1", "type ','"), ("(1", "type '('"), ("=", "type '='"),
            ("|", "type '|'"), ("!", "type '!'"), ("*1\r\n>", "type '>'"),
            ("*2147483647\r\n", "more than 20 elements"), ("*21\r\n", "more than 20 elements"),
            ("*1\r\n*20\r\n", "more than 20 elements"),
            (":1\r\n*20\r\n*1\r\n", "more than 20 elements"),
            ("*1\r\n*1\r\n*1\r\n*1\r\n", "more than 3 arrays within each other"),
            ("*-2\r\n", "a size of -2"), ("$-2\r\n", "a size of -2"),
            ("$536870913\r\n", "more than 200 bytes"), ("$201\r\n", "more than 200 bytes"),
            ("$9223372036854775807\r\n", "more than 200 bytes"),
            ("*2\r\n$100\r\n\(String(repeating: "x", count: 100))\r\n$90\r\n", "more than 200"),
            (
                "*9\r\n" + String(repeating: "+\(String(repeating: "x", count: 30))\r\n", count: 7),
                "more than 200 bytes"
            ),
            ("+" + String(repeating: "x", count: 40), "a line of more than 40 bytes"),
            ("-" + String(repeating: "x", count: 40) + "\r\n", "a line of more than 40 bytes"),
            (":" + String(repeating: "1", count: 40), "a line of more than 40 bytes"),
            (":9223372036854775808\r\n", "'9223372036854775808' instead of a 64-bit number"),
            (":\r\n", "'' instead of"), (":-\r\n", "'-' instead of"),
            (":1x\r\n", "'1x' instead of"),
            (": 1\r\n", "' 1' instead of"), ("*\r\n", "'' instead of"),
            ("$\u{1B}[2J\r\n", "'\\x1B[2J' instead of"), ("$1.0\r\n", "'1.0' instead of"),
            ("+a\n", "a line feed within a line"), ("*1\n", "a line feed within a line"),
            ("+a\rb", "a carriage return within a line"), ("+\r\r", "a carriage return within"),
            ("$1\r\nxx\r", "longer than announced"), ("$0\r\n\n\r", "longer than announced"),
        ])
    func faults(text: String, problem: String) {
        let bytes = Array(text.utf8)
        for cuts in [[], Array(bytes.indices)] as [[Int]] {
            let (_, fault) = read(bytes, cuts: cuts)
            #expect(fault?.contains(problem) == true, "\(fault ?? "nothing"), cut at \(cuts)")
        }
        // The replies before it are read.
        #expect(read("+OK\r\n" + text).0.first == .utf8("OK"))
    }

    @Test("The limits themselves are accepted")
    func limits() {
        func passes(_ text: String) -> Bool { read(text).1 == nil && !read(text).0.isEmpty }
        #expect(passes("+" + String(repeating: "x", count: 39) + "\r\n"))
        #expect(passes("$192\r\n" + String(repeating: "x", count: 192) + "\r\n"))
        #expect(!passes("$193\r\n" + String(repeating: "x", count: 193) + "\r\n"))
        #expect(passes("*20\r\n" + String(repeating: ":1\r\n", count: 20)))
        #expect(passes("*1\r\n*1\r\n*1\r\n:1\r\n"))
        // Each reply has its own limits.
        #expect(
            read(String(repeating: "*20\r\n" + String(repeating: ":1\r\n", count: 20), count: 3)).0
                .count == 3)
        let large = "$150\r\n" + String(repeating: "x", count: 150) + "\r\n"
        #expect(read(String(repeating: large, count: 30)).0.count == 30)
    }

    @Test(
        "A large text a byte at a time, and an endless line, take time in proportion to their size")
    func linear() {
        let limits = ReplyReader.Limits(lineMax: 1 << 20, replyMax: 1 << 20)
        let body = String(repeating: "+", count: 100_000)
        for bytes in ["$100000\r\n\(body)\r\n", "+\(body)\r\n"].map({ Array($0.utf8) }) {
            var reader = ReplyReader(limits: limits)
            var replies = 0
            let start = ContinuousClock.now
            for byte in bytes {
                withUnsafeBytes(of: byte) { reader.feed($0) }
                while (try? reader.next()) != nil { replies += 1 }
            }
            #expect(replies == 1)
            // In quadratic time, it would be 5,000,000,000 steps.
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }
}

@Suite struct RedisReplyTests {
    /// An answer to HELLO as sent by Redis 7, with a module.
    private func hello(role: String, mode: String = "standalone") -> RedisReply {
        let module = RedisReply.array([
            .utf8("name"), .utf8("role"), .utf8("ver"), .integer(1), .utf8("args"), .array([]),
        ])
        return .array([
            .utf8("server"), .utf8("redis"), .utf8("proto"), .integer(2), .utf8("mode"),
            .utf8(mode), .utf8("role"), .utf8(role), .utf8("modules"), .array([module]),
        ])
    }

    @Test("A replica is recognized by its answer to HELLO, except in a cluster")
    func roles() {
        #expect(hello(role: "master").isFromReplica == false)
        #expect(hello(role: "replica").isFromReplica == true)
        #expect(hello(role: "replica", mode: "cluster").isFromReplica == false)
        for other: RedisReply in [
            .error(RedisText("ERR unknown command".utf8)), .utf8("OK"), .array([]), .null,
            .array([.utf8("role")]), .array([.utf8("x"), .utf8("role"), .utf8("replica")]),
        ] {
            #expect(other.isFromReplica == nil)
        }
    }

    @Test("Texts of Redis are shown on one line, in ASCII, and shortened")
    func texts() {
        func shown(_ text: String) -> String { RedisText(text.utf8).description }
        #expect(shown("ERR 'x' is <no> \"y\"") == "ERR 'x' is <no> \"y\"")
        #expect(
            shown("a\nb\r\t\0\u{1B}[2J\u{7F}é\\x") == #"a\x0Ab\x0D\x09\x00\x1B[2J\x7F\xC3\xA9\\x"#)
        #expect(shown(String(repeating: "x", count: 200)).count == 200)
        #expect(shown(String(repeating: "x", count: 201)).utf8.count == 203)
        #expect(shown(String(repeating: "\n", count: 4_000)).utf8.count == 203)
        #expect(shown(String(repeating: "x", count: 201)).hasSuffix("x..."))
    }

    @Test("A text that repeats a secret, or the beginning of one, is detected")
    func secrets() {
        let text = RedisText("ERR unknown command 'AUTH', beginning with: 'hunt'".utf8)
        #expect(text.repeats("hunter2") && text.repeats("AU"))
        #expect(!text.repeats("hunger") && !text.repeats("") && !RedisText([]).repeats("a"))
    }

    @Test("A command is an array of texts")
    func commands() {
        let command = redisCommand([Array("PUBLISH".utf8), [], [0, 13, 10]])
        #expect(command == Array("*3\r\n$7\r\nPUBLISH\r\n$0\r\n\r\n$3\r\n\0\r\n\r\n".utf8))
    }
}
