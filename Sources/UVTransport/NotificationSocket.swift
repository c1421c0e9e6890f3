import CLibuv
import Glibc

/// A datagram socket to a Unix-domain address. Never blocks; any thread.
package final class NotificationSocket: Sendable {
    private let descriptor: Int32
    private let address: RawAddress

    /// - Parameter address: A path, or an abstract name that begins with `@`. Returns `nil` for
    ///   others.
    package init?(to address: String) {
        let first = address.utf8.first
        let isAbstract = first == UInt8(ascii: "@")
        guard isAbstract || first == UInt8(ascii: "/"),
            var raw = try? RawAddress.unix(address)
        else { return nil }
        if isAbstract {
            // unix(7): a zero byte in place of the @, and none at the end.
            raw.length -= 1
            unsafe withUnsafeMutableBytes(of: &raw.storage) { unsafe $0[2] = 0 }
        }
        self.address = raw
        descriptor = socket(
            AF_UNIX,
            Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    /// Sends one datagram. It is lost if nobody listens, or if the queue is full.
    package func send(_ bytes: [UInt8]) {
        _ = unsafe address.withSockaddr { address in
            unsafe bytes.withUnsafeBytes {
                unsafe sendto(
                    descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address,
                    self.address.length)
            }
        }
    }
}
