import CLibuv
import Glibc

/// A connection between two processes of one machine, which passes bytes and descriptors.
///
/// It blocks, for at most the time that was set, so it is not for the threads of loops.
package final class DescriptorSocket: Sendable {
    /// The seconds that connecting may take.
    private static let connectTimeout = 10

    private let descriptor: Int32

    /// Takes over a connected Unix-domain socket.
    init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { Glibc.close(descriptor) }

    /// Connects to a path. Returns `nil` if nobody listens there.
    package static func connect(to path: String) throws(TransportError) -> DescriptorSocket? {
        let operation = "connect to \(path)"
        let address = try RawAddress.unix(path)
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, type, 0)
        if descriptor < 0 { throw .lastSystemError(operation) }
        let socket = DescriptorSocket(owning: descriptor)
        // unix(7): also the limit for room in the queue of a listener that accepts nothing.
        socket.setTimeout(seconds: connectTimeout)
        let code = unsafe address.withSockaddr {
            unsafe Glibc.connect(descriptor, $0, address.length)
        }
        if code == 0 { return socket }
        if errno == ENOENT || errno == ECONNREFUSED { return nil }
        throw .lastSystemError(operation)
    }

    /// Accepts a connection from a listening socket, if one waits.
    package static func accept(from listening: Int32) -> DescriptorSocket? {
        let accepted = accept4(listening, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
        return accepted < 0 ? nil : DescriptorSocket(owning: accepted)
    }

    /// Sets the longest time that one call may take.
    package func setTimeout(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// The user and the process at the other end, when it connected or began to listen.
    package var peer: (user: UInt32, process: Int32)? {
        // struct ucred: process, user, group.
        var credentials: (process: Int32, user: UInt32, group: UInt32) = (0, 0, 0)
        var length = socklen_t(12)
        let code = unsafe getsockopt(
            descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
        return code == 0 ? (credentials.user, credentials.process) : nil
    }

    // MARK: - Bytes

    package func send(_ bytes: [UInt8]) throws(TransportError) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(
                    descriptor, $0.baseAddress! + sent, $0.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .lastSystemError("send to the other process") }
            sent += count
        }
    }

    /// Receives exactly so many bytes. Throws ``TransportError/endOfFile`` if the other process has
    /// closed the connection.
    package func receive(_ count: Int) throws(TransportError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let more = unsafe bytes.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress! + received, $0.count - received, 0)
            }
            if more < 0, errno == EINTR { continue }
            if more < 0 { throw .lastSystemError("receive from the other process") }
            if more == 0 { throw .endOfFile }
            received += more
        }
        return bytes
    }

    // MARK: - Descriptors

    // CMSG_SPACE and CMSG_LEN of unix(7) for one descriptor: macros, which Swift can't import.
    private static let controlHeaderSize = MemoryLayout<cmsghdr>.size
    private static let controlLength = controlHeaderSize + MemoryLayout<Int32>.size
    private static let controlSpace = controlHeaderSize + MemoryLayout<Int>.size

    /// Sends a descriptor, which stays open here, with one byte.
    package func send(descriptor passed: Int32) throws(TransportError) {
        let code = unsafe withMessage { message, control in
            unsafe control.storeBytes(of: Self.controlLength, as: Int.self)
            unsafe control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
            unsafe control.storeBytes(of: Int32(SCM_RIGHTS), toByteOffset: 12, as: Int32.self)
            unsafe control.storeBytes(
                of: passed, toByteOffset: Self.controlHeaderSize, as: Int32.self)
            return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
        }
        if code != 1 { throw .lastSystemError("pass a descriptor to the other process") }
    }

    /// Receives a descriptor, which the caller owns, with its one byte.
    package func receiveDescriptor() throws(TransportError) -> Int32 {
        var passed: Int32 = -1
        let count = unsafe withMessage { message, control in
            let count = unsafe recvmsg(
                descriptor, &message, Int32(MSG_CMSG_CLOEXEC))
            if count == 1, unsafe message.msg_controllen >= Self.controlLength,
                unsafe control.load(fromByteOffset: 12, as: Int32.self) == Int32(SCM_RIGHTS)
            {
                passed = unsafe control.load(
                    fromByteOffset: Self.controlHeaderSize, as: Int32.self)
            }
            return count
        }
        if count == 0 { throw .endOfFile }
        if count < 0 { throw .lastSystemError("receive a descriptor from the other process") }
        // The kernel leaves it out if this process may open no more.
        guard passed >= 0 else {
            throw TransportError(
                code: UV_EMFILE.rawValue, operation: "receive a descriptor from the other process")
        }
        return passed
    }

    /// Calls `body` with a message of one byte and room for one descriptor.
    private func withMessage(
        _ body: (inout msghdr, UnsafeMutableRawPointer) -> Int
    ) -> Int {
        var byte: UInt8 = 0
        return unsafe withUnsafeMutableBytes(of: &byte) { byte in
            // Safety: all pointers of the message are valid until this closure returns.
            unsafe withUnsafeTemporaryAllocation(
                byteCount: Self.controlSpace, alignment: MemoryLayout<cmsghdr>.alignment
            ) { control in
                unsafe control.initializeMemory(as: UInt8.self, repeating: 0)
                var part = unsafe iovec(iov_base: byte.baseAddress, iov_len: 1)
                return unsafe withUnsafeMutablePointer(to: &part) { part in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = unsafe part
                    unsafe message.msg_iovlen = 1
                    unsafe message.msg_control = control.baseAddress
                    unsafe message.msg_controllen = Self.controlSpace
                    return unsafe body(&message, control.baseAddress!)
                }
            }
        }
    }
}
