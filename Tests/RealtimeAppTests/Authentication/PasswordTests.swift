import Foundation
import HTTPProtocol
import Logging
import Testing
import LiveTesting

@testable import RealtimeApp

@Suite("Passwords and users")
struct PasswordTests {
    /// Low costs, for fast tests.
    private static let costs = PasswordHash.Costs(log2Rounds: 10, blockSize: 8, parallelism: 1)

    @Test(
        "scrypt matches the vectors of RFC 7914 §12",
        arguments: [
            (
                "", "", 4, 1, 1,
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                    + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
            ),
            (
                "password", "NaCl", 10, 8, 16,
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                    + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
            ),
            (
                "pleaseletmein", "SodiumChloride", 14, 8, 1,
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                    + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
            ),
        ])
    func vectors(
        _ password: String, _ salt: String, _ log2: Int, _ r: Int, _ p: Int, _ hex: String
    ) throws {
        let costs = PasswordHash.Costs(log2Rounds: log2, blockSize: r, parallelism: p)
        let key = try #require(
            scrypt(Array(password.utf8), salt: Array(salt.utf8), costs, size: 64))
        #expect(key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == hex)
    }

    @Test("A hash fits only its password, and is unchanged as text")
    func roundTrip() throws {
        let hash = try PasswordHash(of: "grüße", Self.costs, salt: Array("0123456789abcdef".utf8))
        #expect("\(hash)".hasPrefix("$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"))
        let read = try PasswordHash("\(hash)")
        #expect(read == hash)
        #expect(read.isOf("grüße"))
        for wrong in ["", "grüß", "grüßex", "GRÜSSE"] as [ExactString] {
            #expect(!read.isOf(wrong))
        }
        let (one, other) = (try PasswordHash(of: "x"), try PasswordHash(of: "x"))
        #expect(one.salt != other.salt)
        #expect(one.costs == .standard)
        #expect(!PasswordHash.nobodys(Self.costs).isOf(""))
    }

    @Test(
        "Invalid costs of scrypt aren't acceptable, and no password fits such a hash",
        arguments: [(15, 1, true), (16, 1, false), (19, 1, false), (16, 2, true)])
    func possibleCosts(_ log2: Int, _ r: Int, _ isPossible: Bool) {
        let costs = PasswordHash.Costs(log2Rounds: log2, blockSize: r, parallelism: 1)
        #expect(costs.isAcceptable == isPossible)
        #expect((scrypt([], salt: Self.salt, costs, size: 32) != nil) == isPossible)
        #expect(!PasswordHash.nobodys(costs).isOf("x"))
        #expect(
            (try? PasswordHash(of: "x", costs, salt: Self.salt).isOf("x")) ?? false == isPossible)
    }

    private static let salt = [UInt8](repeating: 1, count: 16)
    private static let good = "\(try! PasswordHash(of: "x", costs, salt: salt))"

    @Test(
        "An invalid line is reported with its number",
        arguments: [
            ("ada", "not NAME:HASH"), ("ada:", "not $scrypt$"), ("ada:secret", "not $scrypt$"),
            (":\(good)", "a name has 1 to 64 bytes"), ("a b:\(good)", "a name has 1 to 64 bytes"),
            ("\(String(repeating: "x", count: 65)):\(good)", "a name has 1 to 64 bytes"),
            ("eve:\(good)", "eve occurs twice"),
            ("ada:$2b$12$abc", "not $scrypt$"), ("ada:\(good)$", "not $scrypt$"),
            ("ada:$scrypt$r=8,ln=10,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are not"),
            ("ada:$scrypt$ln=10,r=8$AAAAAAAAAAAAAAAA$AAAA", "its costs are not"),
            ("ada:$scrypt$ln=10,r=8,p=1,q=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are not"),
            ("ada:$scrypt$ln=9,r=8,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=17,r=8,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=63,r=8,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=16,r=1,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=19,r=1,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=-1,r=8,p=1$AAAAAAAAAAAAAAAA$AAAA", "its costs are out of range"),
            ("ada:$scrypt$ln=10,r=8,p=1$AAAA$AAAA", "its salt has fewer than 8 bytes"),
            ("ada:$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAA$AAAA", "its salt has fewer than 8 bytes"),
        ])
    func faultyLines(_ line: String, _ problem: String) {
        let fault = #expect(throws: UsersFault.self) {
            try UsersFile("# users\n\neve:\(Self.good)\n\(line)\n")
        }
        #expect(fault?.line == 4)
        #expect(fault?.problem.hasPrefix(problem) == true, "\(fault?.problem ?? "")")
    }

    @Test("Changes keep comments and other users")
    func changes() throws {
        var file = try UsersFile("# staff\neve:\(Self.good)\n\nbob:\(Self.good)")
        let hash = try PasswordHash(of: "new", Self.costs, salt: [UInt8](repeating: 2, count: 16))
        let wasThere = [try file.set("ada", hash), try file.set("eve", hash)]
        #expect(wasThere == [false, true])
        let removed = [file.remove("bob"), file.remove("bob")]
        #expect(removed == [true, false])
        #expect(file.text == "# staff\neve:\(hash)\n\nada:\(hash)\n")
        #expect(try UsersFile(file.text).users == file.users)
        #expect(try UsersFile("eve:\(hash)\r\n# x\r\n").text == "eve:\(hash)\n# x\n")
        for name in ["", "a:b", "#a", "a b", "a\n", "a\u{0}"] {
            #expect(throws: UsersFault.self) { _ = try file.set(name, hash) }
        }
    }

    @Test("A user is found by any spelling of the name, and is named as in the file")
    func spelling() throws {
        let file = try UsersFile("caf\u{E9}:\(Self.good)\n")
        let found = try #require(file.user(named: UserName("cafe\u{301}"), password: "x"))
        #expect(found.utf8.elementsEqual("caf\u{E9}".utf8))
        #expect(file.user(named: UserName("cafe"), password: "x") == nil)
        #expect(file.user(named: UserName("caf\u{E9}"), password: "y") == nil)
    }

    @Test("A password is accepted only at its own cost, whatever other costs the file has")
    func ownCost() throws {
        var file = try UsersFile("eve:\(Self.good)\n")
        let dearer = PasswordHash.Costs(log2Rounds: 11, blockSize: 8, parallelism: 1)
        let hash = try PasswordHash(of: "new", dearer, salt: [UInt8](repeating: 2, count: 16))
        _ = try file.set("ada", hash)
        #expect(file.user(named: UserName("eve"), password: "x") == "eve")
        #expect(file.user(named: UserName("ada"), password: "new") == "ada")
        #expect(file.user(named: UserName("eve"), password: "new") == nil)
        #expect(file.user(named: UserName("ada"), password: "x") == nil)
        #expect(file.user(named: UserName("bob"), password: "x") == nil)
    }

    @Test("A file is read again after a change; while it is invalid, the previous one applies")
    func directory() throws {
        let path = NSTemporaryDirectory() + "/apus-users-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
        let missing = #expect(throws: AuthenticationFault.self) {
            try UserDirectory(path: path, logger: .silent)
        }
        #expect("\(missing!)" == "auth.users: \(path): can't be read: No such file or directory")
        try write("# none\nx\n")
        let faulty = #expect(throws: AuthenticationFault.self) {
            try UserDirectory(path: path, logger: .silent)
        }
        #expect("\(faulty!)" == "auth.users: \(path):2: not NAME:HASH")
        try write("eve:\(Self.good)\n")
        let users = try UserDirectory(path: path, logger: .silent)
        #expect(users.user(named: UserName("eve"), password: "x") == "eve")
        #expect(users.user(named: UserName("ada"), password: "x") == nil)
        try write("eve:\(Self.good)\nada:\(Self.good)\n")
        #expect(users.user(named: UserName("ada"), password: "x") == "ada")
        try write("nonsense\n")
        #expect(users.user(named: UserName("ada"), password: "x") == "ada")
        try write("eve:\(Self.good)\n")
        #expect(users.user(named: UserName("ada"), password: "x") == nil)
        try FileManager.default.removeItem(atPath: path)
        #expect(users.user(named: UserName("eve"), password: "x") == "eve")
    }

    @Test("Workers run some jobs at once, let others wait, and refuse the rest")
    func workers() async throws {
        let workers = PasswordWorkers(runningMax: 2, waitingMax: 3)
        let gate = DispatchSemaphore(value: 0)
        let started = Reports<Int>()
        try await within {
            try await withThrowingTaskGroup(of: Bool?.self) { tasks in
                for number in 0..<6 {
                    tasks.addTask {
                        try? await workers.run {
                            started.add(number)
                            gate.wait()
                            return true
                        }
                    }
                }
                // The sixth job is refused: two run and three wait.
                let first = try await tasks.next()
                #expect(first == .some(nil))
                #expect(started.all.count <= 2)
                for _ in 0..<5 { gate.signal() }
                for _ in 0..<5 {
                    let next = try await tasks.next()
                    #expect(next == true)
                }
            }
        }
        #expect(started.all.count == 5)
    }
}
