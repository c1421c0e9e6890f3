import CLibuv
import Glibc

/// A peer's or our own socket address, small enough to keep for each connection.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    public enum Family: UInt8, Sendable { case ipv4, ipv6, unix }

    public let family: Family
    public let port: UInt16
    /// The address in network order; an IPv4 address is in the low 32 bits of `low`.
    public let high: UInt64
    public let low: UInt64

    public static let unix = SocketAddress(family: .unix, port: 0, high: 0, low: 0)

    package init(family: Family, port: UInt16, high: UInt64, low: UInt64) {
        self.family = family
        self.port = port
        self.high = high
        self.low = low
    }

    /// Reads a kernel's address; anything but IPv4 and IPv6 counts as Unix-domain. IPv4 mapped
    /// into IPv6 becomes IPv4.
    init(_ storage: sockaddr_storage) {
        self = unsafe withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let address = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
                return SocketAddress(
                    family: .ipv4, port: UInt16(bigEndian: address.sin_port), high: 0,
                    low: UInt64(UInt32(bigEndian: address.sin_addr.s_addr)))
            case AF_INET6:
                let port = unsafe UInt16(
                    bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
                let high = unsafe UInt64(
                    bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                let low = unsafe UInt64(
                    bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                if high == 0, low >> 32 == 0xFFFF {
                    return SocketAddress(family: .ipv4, port: port, high: 0, low: low & 0xFFFF_FFFF)
                }
                return SocketAddress(family: .ipv6, port: port, high: high, low: low)
            default: return .unix
            }
        }
    }

    /// The key that identifies a client: the IPv4 address, or the /64 of an IPv6 address; `nil` for
    /// Unix-domain sockets.
    public var clientKey: UInt64? {
        switch family {
        case .ipv4: low | 1 << 63
        case .ipv6: high & ~(1 << 63) | (high >> 63) << 62
        case .unix: nil
        }
    }

    /// The address without its port.
    public var host: String {
        var text = [CChar](repeating: 0, count: 46)
        switch family {
        case .ipv4:
            var address = UInt32(truncatingIfNeeded: low).bigEndian
            unsafe uv_inet_ntop(AF_INET, &address, &text, text.count)
        case .ipv6:
            var address = (high.bigEndian, low.bigEndian)
            unsafe uv_inet_ntop(AF_INET6, &address, &text, text.count)
        case .unix: return "unix"
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    }

    /// The address with its port, if that is known.
    public var description: String {
        if port == 0 { return host }
        return switch family {
        case .ipv4: "\(host):\(port)"
        case .ipv6: "[\(host)]:\(port)"
        case .unix: "unix"
        }
    }
}

/// An address in the form that the kernel's calls take.
struct RawAddress {
    var storage = sockaddr_storage()
    var length: socklen_t = 0
    var family: Int32 { Int32(storage.ss_family) }

    /// Returns all addresses of a host name or a literal. Blocks, so it must not be called on a
    /// loop.
    static func resolve(_ host: String, port: Int) throws(TransportError) -> [RawAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard code == 0 else {
            throw TransportError(code: uvCode(ofResolver: code), operation: "resolve \(host)")
        }
        defer { unsafe freeaddrinfo(list) }
        var found: [RawAddress] = []
        var next = unsafe list
        while let info = unsafe next {
            var address = RawAddress()
            unsafe withUnsafeMutableBytes(of: &address.storage) {
                unsafe $0.copyMemory(
                    from: UnsafeRawBufferPointer(
                        start: info.pointee.ai_addr, count: Int(info.pointee.ai_addrlen)))
            }
            address.length = unsafe info.pointee.ai_addrlen
            found.append(address)
            unsafe next = unsafe info.pointee.ai_next
        }
        return found
    }

    private static func uvCode(ofResolver code: Int32) -> Int32 {
        switch code {
        case EAI_AGAIN: UV_EAI_AGAIN.rawValue
        case EAI_MEMORY: UV_EAI_MEMORY.rawValue
        case EAI_SYSTEM: -errno
        default: UV_EAI_NONAME.rawValue
        }
    }

    /// Returns a Unix-domain address; paths are at most 107 bytes.
    static func unix(_ path: String) throws(TransportError) -> RawAddress {
        var address = RawAddress()
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < 108, !bytes.contains(0) else {
            throw TransportError(
                code: UV_ENAMETOOLONG.rawValue, operation: "use socket path \(path)")
        }
        address.storage.ss_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.storage) {
            unsafe $0.baseAddress!.advanced(by: 2).copyMemory(from: bytes, byteCount: bytes.count)
        }
        address.length = socklen_t(2 + bytes.count + 1)
        return address
    }

    func withSockaddr<T>(_ body: (UnsafePointer<sockaddr>) -> T) -> T {
        unsafe withUnsafeBytes(of: storage) {
            unsafe body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self))
        }
    }
}
