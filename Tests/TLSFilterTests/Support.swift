import Foundation
import Glibc

@testable import TLSFilter

/// A folder for the files of one test, which is removed with it.
final class TestFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "apus-tls-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, and returns its path.
    func write(_ text: String, _ name: String) throws -> String {
        let file = "\(path)/\(name)"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    /// Makes a certificate that its own key has signed, and reads it.
    func certificate(_ names: String..., file: String = "a") throws -> TLSCertificate {
        let made = try SelfSignedCertificate(names: names, days: 1)
        return try TLSCertificate(
            certificate: try write(made.certificate, "\(file).pem"),
            key: try write(made.key, "\(file).key"))
    }
}

/// One end of a connection in memory.
final class Pipe: TLSWire {
    /// The bytes that the other end has sent.
    var arrived: [UInt8] = []
    /// The most bytes that may wait at the other end.
    var roomMax = Int.max
    /// The most bytes of one read.
    var readMax = Int.max
    var hasEnded = false
    /// The error code of all further calls.
    var error: Int?
    weak var other: Pipe?

    static func pair() -> (Pipe, Pipe) {
        let (a, b) = (Pipe(), Pipe())
        a.other = b
        b.other = a
        return (a, b)
    }

    func receiveCiphertext(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if let error { return error }
        if arrived.isEmpty { return hasEnded ? 0 : TLSSession.wouldBlock }
        let count = min(arrived.count, buffer.count, readMax)
        buffer.copyBytes(from: arrived.prefix(count))
        arrived.removeFirst(count)
        return count
    }

    func sendCiphertext(_ bytes: UnsafeRawBufferPointer) -> Int {
        if let error { return error }
        guard let other else { return TLSSession.failed }
        let count = min(bytes.count, roomMax - other.arrived.count)
        if count <= 0 { return TLSSession.wouldBlock }
        other.arrived += bytes.prefix(count)
        return count
    }
}

/// A server's and a client's session, connected in memory.
struct Sessions {
    let serverEnd: Pipe
    let clientEnd: Pipe
    let server: TLSSession
    let client: TLSSession

    init(_ context: TLSServerContext, host: String = "localhost", authority: String?) throws {
        (serverEnd, clientEnd) = Pipe.pair()
        server = try TLSSession(accepting: context, wire: serverEnd)
        client = try TLSSession(
            connecting: try TLSClientContext(trustsAny: authority == nil, authority: authority),
            host: host, wire: clientEnd)
    }

    /// Does the handshake. Returns the results of both sides.
    func shakeHands() -> (server: Int, client: Int) {
        var results = (TLSSession.wouldBlock, TLSSession.wouldBlock)
        for _ in 0..<20 {
            if results.1 == TLSSession.wouldBlock { results.1 = client.shakeHands() }
            if results.0 == TLSSession.wouldBlock { results.0 = server.shakeHands() }
        }
        return results
    }
}

extension TLSSession {
    func write(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { write($0) } }

    /// Reads what there is. Returns it, and the result of the last read.
    func readAll() -> (bytes: [UInt8], result: Int) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 20_000)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(into: $0) }
            guard count > 0 else { return (bytes, count) }
            bytes += buffer[..<count]
        }
    }
}
