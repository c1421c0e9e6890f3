import Foundation
import Testing

@testable import TLSFilter

@Suite("Certificates")
struct CertificateTests {
    @Test("A certificate is read with its names and its time of validity")
    func reading() throws {
        let folder = try TestFolder()
        let certificate = try folder.certificate("localhost", "*.example.com", "127.0.0.1")
        #expect(certificate.names == ["localhost", "*.example.com"])
        let now = Int(Date().timeIntervalSince1970)
        #expect(certificate.warning(at: now) == nil)
        #expect(certificate.validity.contains(now))
        #expect(
            certificate.warning(at: now + 2 * 86_400)?.hasPrefix("expired on 20") == true)
        #expect(
            certificate.warning(at: now - 86_400)?.hasPrefix("is valid only from 20") == true)
    }

    @Test("Errors name the file and the problem")
    func errors() throws {
        let folder = try TestFolder()
        _ = try folder.certificate("a", file: "a")
        _ = try folder.certificate("b", file: "b")
        let empty = try folder.write("", "empty.pem")
        let damaged = try folder.write(
            try String(contentsOfFile: "\(folder.path)/a.pem", encoding: .utf8)
                + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged.pem")
        let certificate = "\(folder.path)/a.pem"
        let key = "\(folder.path)/a.key"
        let cases: [(String, String, file: String, problem: String)] = [
            ("/nowhere.pem", key, "/nowhere.pem", "can't be read: No such file"),
            (certificate, "/nowhere.key", "/nowhere.key", "can't be read: No such file"),
            (empty, key, empty, "no certificate is in it"),
            (key, key, key, "no certificate is in it"),
            (damaged, key, damaged, "a certificate after the first is damaged"),
            (certificate, certificate, certificate, "no private key is in it"),
            (certificate, "\(folder.path)/b.key", "\(folder.path)/b.key", "isn't that of the"),
            (folder.path, key, folder.path, ""),
        ]
        for (certificate, key, file, problem) in cases {
            let failure = #expect(throws: TLSFailure.self) {
                try TLSCertificate(certificate: certificate, key: key)
            }
            #expect(failure?.file == file)
            #expect(failure?.problem.contains(problem) == true || problem.isEmpty)
        }
    }

    @Test("A name is found by its certificate, or by a wildcard for its first label")
    func names() {
        var names = CertificateNames()
        for (index, name) in ["a.test", "*.b.test", "A.test", "c.b.test"].enumerated() {
            names.add(name, for: index)
        }
        func find(_ name: String) -> Int? { names.find(name.utf8) }
        #expect(find("a.test") == 0)
        #expect(find("A.TEST") == 0)
        #expect(find("x.b.test") == 1)
        #expect(find("c.b.test") == 3)
        for unknown in ["b.test", "x.y.b.test", ".b.test", "test", "", "*.a.test", "a.test."] {
            #expect(find(unknown) == nil, "\(unknown)")
        }
    }
}

@Suite("Keys of session tickets")
struct TicketKeyTests {
    private static let hour = 3_600

    private func random(_ byte: UInt8) -> [UInt8] { .init(repeating: byte, count: 80) }

    @Test("A key is used for 12 hours, and its tickets are accepted for 24")
    func rotation() throws {
        var ring = TicketKeyRing()
        let first = try #require(ring.current(now: 0) { random(1) })
        #expect(ring.current(now: 12 * Self.hour - 1) { random(2) } == first)
        let second = try #require(ring.current(now: 12 * Self.hour) { random(2) })
        #expect(second != first)
        let found = try #require(ring.find(first.name, now: 13 * Self.hour))
        #expect(found.key == first)
        #expect(found.isOld)
        #expect(ring.find(second.name, now: 13 * Self.hour)?.isOld == false)
        #expect(ring.find(first.name, now: 24 * Self.hour) == nil)
        #expect(ring.find(random(3).prefix(16), now: 13 * Self.hour) == nil)
    }

    @Test("Old keys are forgotten")
    func forgetting() {
        var ring = TicketKeyRing()
        for step in 0..<10 {
            _ = ring.current(now: step * 12 * Self.hour) { random(UInt8(step)) }
            #expect(ring.keys.count <= 2)
        }
    }

    @Test("Without random bytes there is no key")
    func noRandom() {
        var ring = TicketKeyRing()
        #expect(ring.current(now: 0) { nil } == nil)
    }
}

@Suite("The first bytes of a client")
struct ClientHelloCheckTests {
    /// The beginning of a ClientHello of 512 bytes.
    private let hello: [UInt8] = [22, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3]

    private func check(_ bytes: [UInt8]...) -> ClientHelloCheck.Verdict {
        var check = ClientHelloCheck()
        var verdict = ClientHelloCheck.Verdict.fine
        for piece in bytes where verdict == .fine {
            verdict = piece.withUnsafeBytes { check.check($0) }
        }
        return verdict
    }

    @Test("A ClientHello is fine, however it is cut")
    func fine() {
        #expect(check(hello) == .fine)
        for cut in 0...hello.count {
            #expect(check(Array(hello[..<cut]), Array(hello[cut...])) == .fine)
        }
    }

    @Test("A request in plain text is known by its first letter")
    func plainText() {
        for text in ["GET / HTTP/1.1", "OPTIONS *", "get", "Z"] {
            #expect(check(Array(text.utf8)) == .plainText)
        }
    }

    @Test("Other records, and a ClientHello that is too big, are invalid")
    func invalid() {
        #expect(check([0]) == .invalid)
        #expect(check([23, 3, 1]) == .invalid)
        #expect(check([22, 2]) == .invalid)
        #expect(check([22, 3, 1, 0, 3]) == .invalid)
        #expect(check([22, 3, 1, 2, 4, 2]) == .invalid)
        #expect(check([22, 3, 1, 64, 0, 1, 0, 64, 0]) == .fine)
        #expect(check([22, 3, 1, 64, 0, 1, 0, 64, 1]) == .invalid)
        #expect(check([22, 3, 1, 64, 0], [1, 16, 0, 0]) == .invalid)
    }
}
