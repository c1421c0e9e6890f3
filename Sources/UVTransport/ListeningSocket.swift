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

    /// The number of times that a free port is looked for which all addresses of a name have.
    private static let freePortAttemptsMax = 16

    /// Binds one address `count` times with `SO_REUSEPORT`, once for each loop; a name that
    /// resolves to several addresses is bound on each. Port 0 picks one port for all of them.
    /// `localhost` is 127.0.0.1 and ::1, as far as the machine has them (RFC 6761 §6.3).
    ///
    /// - Parameter isDualStack: Whether `::` accepts IPv4 connections too.
    package static func listen(
        host: String, port: Int, count: Int, backlog: Int, isDualStack: Bool = false
    ) throws(TransportError) -> [[ListeningSocket]] {
        let isLocalhost = host.utf8.map(\.lowercasedLetter).elementsEqual("localhost".utf8)
        var addresses: [RawAddress] = []
        for name in isLocalhost ? ["127.0.0.1", "::1"] : [host] {
            // The file of hosts may name an address twice.
            for address in try RawAddress.resolve(name, port: port)
            where !addresses.contains(where: { $0.isSame(as: address) }) {
                addresses.append(address)
            }
        }
        var attempts = 1
        while true {
            do throws(TransportError) {
                return try bindAll(
                    addresses, named: host, port: port, count: count, backlog: backlog,
                    isDualStack: isDualStack, skipsMissing: isLocalhost)
            } catch {
                // Another program may have the port that was free at the first address.
                guard port == 0, error.isAddressInUse, attempts < freePortAttemptsMax else {
                    throw error
                }
                attempts += 1
            }
        }
    }

    /// - Parameter skipsMissing: Whether addresses that the machine doesn't have are left out, as
    ///   long as one is left.
    private static func bindAll(
        _ addresses: [RawAddress], named host: String, port: Int, count: Int, backlog: Int,
        isDualStack: Bool, skipsMissing: Bool
    ) throws(TransportError) -> [[ListeningSocket]] {
        var groups: [[ListeningSocket]] = []
        var missing: TransportError?
        do throws(TransportError) {
            var chosen = port
            for address in addresses {
                groups.append([])
                for _ in 0..<count {
                    var address = address
                    if chosen != 0 { address.setPort(UInt16(chosen)) }
                    do throws(TransportError) {
                        let socket = try bind(
                            address, named: "\(host):\(chosen)", backlog: backlog,
                            // The first socket finds out whether another process has the port.
                            exclusively: groups[groups.count - 1].isEmpty,
                            isDualStack: isDualStack && address.isAnyIPv6)
                        chosen = Int(socket.address.port)
                        groups[groups.count - 1].append(socket)
                    } catch  where skipsMissing && error.isAddressMissing {
                        missing = error
                        break
                    }
                }
                if groups[groups.count - 1].isEmpty { groups.removeLast() }
            }
            if groups.isEmpty, let missing { throw missing }
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
        _ address: RawAddress, named name: String, backlog: Int, exclusively: Bool,
        isDualStack: Bool
    ) throws(TransportError) -> ListeningSocket {
        let operation = "listen on \(name)"
        if exclusively, address.port != 0 {
            // `SO_REUSEPORT` would let this process silently share a port with another process of
            // the same user.
            Glibc.close(
                try makeBoundSocket(
                    address, sharesPort: false, isDualStack: isDualStack, operation))
        }
        let descriptor = try makeBoundSocket(
            address, sharesPort: true, isDualStack: isDualStack, operation)
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
        _ address: RawAddress, sharesPort: Bool, isDualStack: Bool, _ operation: String
    ) throws(TransportError) -> Int32 {
        let descriptor = try makeSocket(address.family, operation)
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if sharesPort { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, size) }
        if address.family == AF_INET6 {
            var isOnlyIPv6: Int32 = isDualStack ? 0 : 1
            unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &isOnlyIPv6, size)
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

    /// Whether the address is `::`, all of the machine's.
    var isAnyIPv6: Bool {
        let address = SocketAddress(storage)
        return address.family == .ipv6 && address.high == 0 && address.low == 0
    }

    /// Returns whether two addresses are the same.
    func isSame(as other: RawAddress) -> Bool {
        guard length == other.length else { return false }
        return unsafe withUnsafeBytes(of: storage) { own in
            unsafe withUnsafeBytes(of: other.storage) { unsafe own.elementsEqual($0) }
        }
    }

    mutating func setPort(_ port: UInt16) {
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
        }
    }
}

extension TransportError {
    /// Whether this machine doesn't have an address, or no addresses of its family.
    fileprivate var isAddressMissing: Bool {
        code == UV_EADDRNOTAVAIL.rawValue || code == UV_EAFNOSUPPORT.rawValue
    }
}

extension UInt8 {
    fileprivate var lowercasedLetter: UInt8 { 0x41...0x5A ~= self ? self | 0x20 : self }
}
