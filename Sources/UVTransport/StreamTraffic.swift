import CLibuv
import Glibc

/// The bytes that a TCP connection has carried, with those of TLS but without headers and
/// retransmissions.
public struct StreamTraffic: Sendable, Equatable {
    public let received: UInt64
    public let sent: UInt64
}

extension Stream {
    /// The bytes that the kernel has counted; `nil` for other sockets, and if the kernel doesn't
    /// count them. Costs a system call.
    public final var traffic: StreamTraffic? {
        guard descriptor >= 0 else { return nil }
        // The layout of `tcp_info` in <linux/tcp.h>: the one in <netinet/tcp.h> ends earlier.
        let (receivedAt, sentAt, resentAt) = (128, 200, 208)
        var information = [UInt8](repeating: 0, count: 256)
        var length = socklen_t(information.count)
        let code = unsafe information.withUnsafeMutableBytes {
            unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, $0.baseAddress!, &length)
        }
        guard code == 0, Int(length) >= resentAt + 8 else { return nil }
        return unsafe information.withUnsafeBytes { bytes in
            // Safety: the offsets are below the length that the kernel has filled in.
            let received = unsafe bytes.loadUnaligned(fromByteOffset: receivedAt, as: UInt64.self)
            let sent = unsafe bytes.loadUnaligned(fromByteOffset: sentAt, as: UInt64.self)
            let resent = unsafe bytes.loadUnaligned(fromByteOffset: resentAt, as: UInt64.self)
            return StreamTraffic(received: received, sent: sent &- resent)
        }
    }
}
