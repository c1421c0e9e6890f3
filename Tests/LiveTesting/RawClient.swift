import Glibc
public import WebSocketServer

/// A TCP or Unix-domain client that sends and reads exact bytes, each time with a deadline.
///
/// It blocks its own thread, so that tests can do things that a well-behaved client can't.
public actor RawClient {
    private let thread = BlockingThread()
    private let descriptor: Int32
    private var isClosed = false
    /// The received bytes that haven't been returned yet.
    private var buffer: [UInt8] = []

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe thread.asUnownedSerialExecutor()
    }

    /// Connects to an address.
    ///
    /// - Parameter receiveBuffer: The size of the kernel's receive buffer in bytes, for a slow
    ///   reader.
    public init(to address: BoundAddress, receiveBuffer: Int? = nil) throws {
        let family: Int32
        var storage = sockaddr_storage()
        let length: Int
        switch address {
        case .ip(let host, let port):
            family = host.contains(":") ? AF_INET6 : AF_INET
            (storage, length) = Self.internet(host, port, family)
        case .unix(let path):
            family = AF_UNIX
            (storage, length) = Self.unix(path)
        }
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw RawClientError("socket", errno) }
        if let receiveBuffer {
            var size = Int32(receiveBuffer)
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        let code = unsafe withUnsafeBytes(of: &storage) {
            unsafe connect(
                descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t(length))
        }
        // `deinit` closes it.
        if code != 0 { throw RawClientError("connect", errno) }
        var yes: Int32 = 1
        unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        if !isClosed { Glibc.close(descriptor) }
        thread.stop()
    }

    private static func internet(
        _ host: String, _ port: Int, _ family: Int32
    ) -> (sockaddr_storage, Int) {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(family)
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.storeBytes(of: UInt16(port).bigEndian, toByteOffset: 2, as: UInt16.self)
            let place = unsafe $0.baseAddress! + (family == AF_INET6 ? 8 : 4)
            unsafe inet_pton(family, host, place)
        }
        let size =
            family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return (storage, size)
    }

    private static func unix(_ path: String) -> (sockaddr_storage, Int) {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8.prefix(107))
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe ($0.baseAddress! + 2).copyMemory(from: bytes, byteCount: bytes.count)
        }
        return (storage, 2 + bytes.count + 1)
    }

    // MARK: - Sending

    /// Sends all bytes. Throws if the peer doesn't accept them in time.
    public func send(_ bytes: [UInt8], within limit: Duration = .seconds(120)) throws {
        let deadline = ContinuousClock.now + limit
        var sent = 0
        while sent < bytes.count {
            try wait(for: POLLOUT, until: deadline, "send")
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(
                    descriptor, $0.baseAddress! + sent, $0.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count < 0, errno != EAGAIN, errno != EINTR { throw RawClientError("send", errno) }
            sent += max(0, count)
        }
    }

    public func send(_ text: String) throws { try send([UInt8](text.utf8)) }

    /// Sends the end of the stream (FIN). Reading is still possible.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    // MARK: - Receiving

    /// Reads exactly `count` bytes.
    public func read(_ count: Int, within limit: Duration = .seconds(120)) throws -> [UInt8] {
        let deadline = ContinuousClock.now + limit
        while buffer.count < count {
            if try !readMore(until: deadline) { throw RawClientError("read: end of stream", 0) }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    /// Reads everything up to the end of the stream. With `orReset`, a reset counts as the end.
    public func readToEnd(
        orReset: Bool = false, within limit: Duration = .seconds(120)
    ) throws -> [UInt8] {
        let deadline = ContinuousClock.now + limit
        do {
            while try readMore(until: deadline) {}
        } catch let error as RawClientError where orReset && error.code == ECONNRESET {}
        defer { buffer = [] }
        return buffer
    }

    /// Reads bytes up to and including `end`.
    public func read(
        through end: [UInt8], within limit: Duration = .seconds(120)
    ) throws -> [UInt8] {
        let deadline = ContinuousClock.now + limit
        while true {
            if let range = buffer.firstRange(of: end) {
                defer { buffer.removeFirst(range.upperBound) }
                return Array(buffer.prefix(range.upperBound))
            }
            if try !readMore(until: deadline) { throw RawClientError("read: end of stream", 0) }
        }
    }

    /// Appends received bytes to the buffer. Returns false at the end of the stream.
    private func readMore(until deadline: ContinuousClock.Instant) throws -> Bool {
        try wait(for: POLLIN, until: deadline, "read")
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count < 0 {
            if errno == EAGAIN || errno == EINTR { return true }
            throw RawClientError("read", errno)
        }
        buffer.append(contentsOf: chunk.prefix(count))
        return count > 0
    }

    private func wait(
        for events: Int32, until deadline: ContinuousClock.Instant, _ operation: String
    ) throws {
        let left = ContinuousClock.now.duration(to: deadline)
        let milliseconds =
            left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        guard milliseconds > 0, unsafe poll(&request, 1, Int32(milliseconds)) != 0 else {
            throw DeadlineError(description: "\(operation): nothing within the deadline")
        }
    }

    // MARK: - The end

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        Glibc.close(descriptor)
    }

    /// Closes the connection with a reset (RST).
    public func reset() {
        guard !isClosed else { return }
        var abort = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}

/// The error of a failed call of ``RawClient``.
public struct RawClientError: Error, CustomStringConvertible {
    public let operation: String
    /// The value of `errno`; 0 at the end of the stream.
    public let code: Int32

    init(_ operation: String, _ code: Int32) {
        self.operation = operation
        self.code = code
    }

    public var description: String { "\(operation): errno \(code)" }
}
