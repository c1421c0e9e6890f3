import CLibuv
import Glibc

/// Sockets that another process has bound: a service manager, or a predecessor of this process.
extension ListeningSocket {
    /// Adopts a descriptor that listens already.
    ///
    /// The descriptor belongs to the caller if this throws. Otherwise, it is non-blocking and closed
    /// by `exec` from now on.
    ///
    /// - Parameter removesFile: Whether the file of a Unix-domain socket is this process's to
    ///   remove.
    package static func inherited(
        _ descriptor: Int32, removesFile: Bool
    ) throws(TransportError) -> ListeningSocket {
        let operation = "listen on the inherited descriptor \(descriptor)"
        guard
            try option(SO_TYPE, of: descriptor, operation) == Int32(SOCK_STREAM.rawValue),
            try option(SO_ACCEPTCONN, of: descriptor, operation) == 1
        else { throw TransportError(code: UV_EINVAL.rawValue, operation: operation) }
        let (address, path) = try boundAddress(of: descriptor, operation)
        let flags = fcntl(descriptor, F_GETFL)
        guard fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw .lastSystemError(operation) }
        if address.family != .unix {
            var yes: Int32 = 1
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes,
                socklen_t(MemoryLayout<Int32>.size))
        }
        return ListeningSocket(
            descriptor: descriptor, address: address,
            file: removesFile ? path.flatMap { SocketFile(at: $0) } : nil, isInherited: true,
            path: path)
    }

    private static func option(
        _ name: Int32, of descriptor: Int32, _ operation: String
    ) throws(TransportError) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 else {
            throw .lastSystemError(operation)
        }
        return value
    }

    /// Returns the address of a socket, and the path of a Unix-domain socket. An abstract name
    /// begins with `@`.
    private static func boundAddress(
        of descriptor: Int32, _ operation: String
    ) throws(TransportError) -> (SocketAddress, path: String?) {
        var bound = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = unsafe withUnsafeMutablePointer(to: &bound) {
            unsafe getsockname(
                descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self),
                &length)
        }
        guard code == 0 else { throw .lastSystemError(operation) }
        switch Int32(bound.ss_family) {
        case AF_INET, AF_INET6: return (SocketAddress(bound), nil)
        case AF_UNIX:
            let name = unsafe withUnsafeBytes(of: bound) { unsafe Array($0[2..<Int(length)]) }
            if name.first == 0 {
                return (.unix, "@" + String(decoding: name.dropFirst(), as: UTF8.self))
            }
            return (.unix, String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
        default: throw TransportError(code: UV_EAFNOSUPPORT.rawValue, operation: operation)
        }
    }
}

extension Listener {
    /// Returns a second descriptor of the socket, which the caller owns. Connections that wait in
    /// the socket's queue stay there as long as either is open.
    package func duplicate() throws(TransportError) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        if copy < 0 { throw .lastSystemError("hand over \(address)") }
        return copy
    }
}
