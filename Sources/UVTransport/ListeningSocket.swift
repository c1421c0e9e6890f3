import CLibuv
import Glibc

/// A bound and listening socket, not yet polled: made before any loop accepts, so that a port
/// in use is an error at the start and not later.
package struct ListeningSocket: Sendable {
    package let descriptor: Int32
    package let address: SocketAddress
    /// The file of a Unix-domain socket, if it is to be removed with the socket.
    let file: SocketFile?
    /// Whether another process has bound the socket.
    package var isInherited = false
    /// The path of an inherited Unix-domain socket.
    package var path: String?

    /// Binds one address `count` times with `SO_REUSEPORT`, once for each loop; a name that
    /// resolves to several addresses is bound on each. Port 0 picks one port for all of them.
    package static func listen(
        host: String, port: Int, count: Int, backlog: Int
    ) throws(TransportError) -> [[ListeningSocket]] {
        var groups: [[ListeningSocket]] = []
        do {
            var chosen = port
            for address in try RawAddress.resolve(host, port: port) {
                groups.append([])
                for _ in 0..<count {
                    var address = address
                    if chosen != 0 { address.setPort(UInt16(chosen)) }
                    let socket = try bind(
                        address, named: "\(host):\(chosen)", backlog: backlog,
                        // The first socket finds out whether another process has the port.
                        exclusively: groups[groups.count - 1].isEmpty)
                    chosen = Int(socket.address.port)
                    groups[groups.count - 1].append(socket)
                }
            }
        } catch {
            for socket in groups.joined() { Glibc.close(socket.descriptor) }
            throw error
        }
        return groups
    }

    /// Closes a socket that no ``Listener`` has taken over.
    package func close() { Glibc.close(descriptor) }

    /// Removes a Unix-domain socket's file, unless another one has taken its place. The socket must
    /// still be open: a closed one's file may be replaced by anyone, and its inode used again.
    package func removeFile() { file?.remove() }

    static func makeSocket(_ family: Int32, _ operation: String) throws(TransportError)
        -> Int32
    {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        if descriptor < 0 { throw .lastSystemError(operation) }
        return descriptor
    }

    private static func bind(
        _ address: RawAddress, named name: String, backlog: Int, exclusively: Bool
    ) throws(TransportError) -> ListeningSocket {
        let operation = "listen on \(name)"
        if exclusively, address.port != 0 {
            // `SO_REUSEPORT` would let this process silently share a port with another process of
            // the same user.
            Glibc.close(try makeBoundSocket(address, sharesPort: false, operation))
        }
        let descriptor = try makeBoundSocket(address, sharesPort: true, operation)
        var yes: Int32 = 1
        // Accepted sockets inherit it: one system call less for each connection.
        unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes,
            socklen_t(MemoryLayout<Int32>.size))
        guard Glibc.listen(descriptor, Int32(backlog)) == 0 else {
            let error = TransportError.lastSystemError(operation)
            Glibc.close(descriptor)
            throw error
        }
        var bound = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = unsafe withUnsafeMutablePointer(to: &bound) {
            unsafe getsockname(
                descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self),
                &length)
        }
        return ListeningSocket(descriptor: descriptor, address: SocketAddress(bound), file: nil)
    }

    private static func makeBoundSocket(
        _ address: RawAddress, sharesPort: Bool, _ operation: String
    ) throws(TransportError) -> Int32 {
        let descriptor = try makeSocket(address.family, operation)
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if sharesPort { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, size) }
        if address.family == AF_INET6 {
            unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size)
        }
        guard
            unsafe address.withSockaddr({ unsafe Glibc.bind(descriptor, $0, address.length) }) == 0
        else {
            let error = TransportError.lastSystemError(operation)
            Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }
}

extension RawAddress {
    /// The port of an IPv4 or IPv6 address, at the same place in both.
    var port: UInt16 {
        unsafe withUnsafeBytes(of: storage) {
            unsafe UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }

    mutating func setPort(_ port: UInt16) {
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
        }
    }
}
