import Foundation
import LoadGenerator
import Synchronization
import TLSFilter
import WebSocketServer

/// A tunnel to a `wss` server for one connection: plaintext on a Unix-domain socket that only this
/// user can open, TLS to the server.
///
/// The library's client has no TLS of its own. A thread copies bytes, and reads from each side only
/// after the other side has taken the earlier bytes.
final class TLSTunnel: Sendable {
    /// The path of the socket to connect to.
    let path: String
    private let lastFailure = Mutex<String?>(nil)

    private static let pieceSize = 64 << 10

    /// The reason why there is no tunnel, or why it has ended; `nil` if it works.
    var failure: String? { lastFailure.withLock(\.self) }

    init(to url: WebSocketURL, trustsAnyCertificate: Bool) throws {
        guard case .host(let host, let port) = url.place else {
            throw TunnelFailure("a socket's path has no wss")
        }
        let context = try TLSClientContext(trustsAny: trustsAnyCertificate)
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        path = folder.appendingPathComponent("tunnel").path
        let listener = try Self.listen(path)
        let thread = Thread { [self] in
            let local = accept(listener, nil, nil)
            try? FileManager.default.removeItem(at: folder)
            close(listener)
            do {
                let server = try Self.connect(host, port)
                defer { close(server) }
                try Self.copy(local, server, try TLSClient(context: context, host: host))
            } catch let fault as TLSClient.Fault {
                lastFailure.withLock { $0 = fault.withAdvice }
            } catch {
                lastFailure.withLock { $0 = "\(error)" }
            }
            close(local)
        }
        thread.name = "tls"
        thread.start()
    }

    // MARK: - Sockets

    private static func listen(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, streamType, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw TunnelFailure("the path of the temporary folder is too long: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        guard result == 0, Glibc.listen(descriptor, 1) == 0 else {
            throw TunnelFailure("a socket in \(path) can't be made: \(lastError)")
        }
        return descriptor
    }

    /// Connects to the first address of the host that accepts a connection; blocks.
    private static func connect(_ host: String, _ port: Int) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw TunnelFailure("look up \(host): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var reason = "no address"
        var next = list
        while let info = next?.pointee {
            let descriptor = socket(info.ai_family, streamType, 0)
            if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return descriptor }
            reason = lastError
            close(descriptor)
            next = info.ai_next
        }
        throw TunnelFailure("connect to \(host):\(port): \(reason)")
    }

    private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

    private static var lastError: String { String(cString: strerror(errno)) }

    // MARK: - Copying

    /// Copies in both directions until either side ends.
    private static func copy(_ local: Int32, _ server: Int32, _ tls: TLSClient) throws {
        for descriptor in [local, server] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        var isEstablished = try tls.shakeHands()
        var toServer = output(of: tls)
        var toLocal: [UInt8] = []
        while true {
            // A side is not read while the other has not taken the earlier bytes.
            var server = pollfd(
                fd: server,
                events: Int16((toServer.isEmpty ? 0 : POLLOUT) | (toLocal.isEmpty ? POLLIN : 0)),
                revents: 0)
            var local = pollfd(
                fd: local,
                events: Int16(
                    (toLocal.isEmpty ? 0 : POLLOUT)
                        | (toServer.isEmpty && isEstablished ? POLLIN : 0)),
                revents: 0)
            guard wait(&server, &local) else { return }
            if !toServer.isEmpty, !write(&toServer, to: server.fd) { return }
            if !toLocal.isEmpty, !write(&toLocal, to: local.fd) { return }
            if server.isReadable {
                guard let bytes = read(server.fd) else { return }
                do throws(TLSClient.Fault) {
                    bytes.withUnsafeBytes { tls.receive($0) }
                    if !isEstablished { isEstablished = try tls.shakeHands() }
                    if isEstablished, try !tls.read({ toLocal += $0 }) {
                        writeBlocking(toLocal, to: local.fd)
                        return
                    }
                } catch {
                    // The alert tells the server the reason.
                    writeBlocking(output(of: tls), to: server.fd)
                    throw error
                }
            }
            if local.isReadable {
                guard let bytes = read(local.fd) else { return }
                try encrypt(bytes, tls)
            }
            toServer += output(of: tls)
        }
    }

    /// Waits until bytes can be copied. Returns false after an error.
    private static func wait(_ server: inout pollfd, _ local: inout pollfd) -> Bool {
        var polled = [server, local]
        // Otherwise poll would report the end of a socket that is not to be read over and over.
        for index in polled.indices where polled[index].events == 0 { polled[index].fd = -1 }
        guard poll(&polled, nfds_t(polled.count), -1) >= 0 || errno == EINTR else { return false }
        (server.revents, local.revents) = (polled[0].revents, polled[1].revents)
        return true
    }

    /// Writes as much as the descriptor takes now. Returns false after an error.
    private static func write(_ bytes: inout [UInt8], to descriptor: Int32) -> Bool {
        let count = Glibc.write(descriptor, bytes, bytes.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        bytes.removeFirst(count)
        return true
    }

    /// Returns the available bytes, perhaps none; `nil` at the end.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: pieceSize)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    private static func encrypt(_ bytes: [UInt8], _ tls: TLSClient) throws(TLSClient.Fault) {
        // Swift 6.3 can't compile a closure that throws this type.
        var fault: TLSClient.Fault?
        bytes.withUnsafeBytes { bytes in
            do throws(TLSClient.Fault) { try tls.write(bytes) } catch { fault = error }
        }
        if let fault { throw fault }
    }

    /// Returns the ciphertext to send.
    private static func output(of tls: TLSClient) -> [UInt8] {
        var memory: UnsafeMutableRawBufferPointer?
        tls.takeOutput { count in
            memory = .allocate(byteCount: count, alignment: 1)
            return memory?.baseAddress
        }
        defer { memory?.deallocate() }
        return memory.map { [UInt8]($0) } ?? []
    }
}

extension pollfd {
    /// Whether reading was requested, and there are bytes, an end or an error to read.
    fileprivate var isReadable: Bool {
        Int32(events) & POLLIN != 0 && revents & ~Int16(POLLOUT) != 0
    }
}

/// The reason why there is no tunnel.
private struct TunnelFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
