import CLibuv
import Glibc

extension Stream {
    /// Connects to an address and starts reading. `completion` is called once, on the loop, unless
    /// this throws; the stream is closed after any failure. The caller has resolved the name, since
    /// ``ConnectAddress/resolve(host:port:)`` blocks.
    public final func connect(
        to address: ConnectAddress, completion: @escaping (TransportError?) -> Void
    ) throws(TransportError) -> ConnectAttempt {
        try connect(to: address, tls: nil, completion: completion)
    }

    /// Connects like the other method, and speaks TLS if there are settings for it. The handshake
    /// follows the completion; what is sent before its end waits for it.
    package final func connect(
        to address: ConnectAddress, tls: TLSClientSettings?,
        completion: @escaping (TransportError?) -> Void
    ) throws(TransportError) -> ConnectAttempt {
        do throws(TransportError) {
            let descriptor = try address.beginConnecting()
            return try ConnectAttempt(
                loop: loop, ownedDescriptor: descriptor, name: address.name
            ) { [self] error in connected(descriptor, error, tls, completion) }
        } catch {
            closeHandle()
            throw error
        }
    }

    private final func connected(
        _ descriptor: Int32, _ error: TransportError?, _ tls: TLSClientSettings?,
        _ completion: (TransportError?) -> Void
    ) {
        if let error {
            Glibc.close(descriptor)
            closeHandle()
            completion(error)
        } else if !isOpen {
            Glibc.close(descriptor)
            completion(TransportError(code: UV_ECANCELED.rawValue, operation: "connect"))
        } else {
            do throws(TransportError) {
                if let tls {
                    try adopt(ownedDescriptor: descriptor, connecting: tls)
                } else {
                    try adopt(ownedDescriptor: descriptor)
                }
                completion(nil)
            } catch { completion(error) }
        }
    }
}

/// The address that a client connects to.
public struct ConnectAddress: Sendable {
    let raw: RawAddress
    public let name: String
    public var socketAddress: SocketAddress { SocketAddress(raw.storage) }

    /// Returns the addresses of a host. Blocks while the name is looked up, so it must not be
    /// called on a loop's thread.
    public static func resolve(host: String, port: Int) throws(TransportError) -> [ConnectAddress] {
        try RawAddress.resolve(host, port: port).map {
            ConnectAddress(raw: $0, name: "\(host):\(port)")
        }
    }

    public static func unix(path: String) throws(TransportError) -> ConnectAddress {
        ConnectAddress(raw: try .unix(path), name: "unix:\(path)")
    }

    func beginConnecting() throws(TransportError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(raw.family, type, 0)
        if descriptor < 0 { throw .lastSystemError("connect to \(name)") }
        if raw.family != AF_UNIX {
            var yes: Int32 = 1
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes,
                socklen_t(MemoryLayout<Int32>.size))
        }
        if unsafe raw.withSockaddr({ unsafe Glibc.connect(descriptor, $0, raw.length) }) != 0,
            errno != EINPROGRESS
        {
            let error = TransportError.lastSystemError("connect to \(name)")
            Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }
}

/// A connection being made: waits for its descriptor to become writable. For its loop's thread.
public final class ConnectAttempt: Handle {
    private let descriptor: Int32
    private let name: String
    private var completion: ((TransportError?) -> Void)?
    private var result: TransportError?

    fileprivate init(
        loop: EventLoop, ownedDescriptor descriptor: Int32, name: String,
        completion: @escaping (TransportError?) -> Void
    ) throws(TransportError) {
        self.descriptor = descriptor
        self.name = name
        super.init(loop: loop)
        let code = open(polling: descriptor)
        if code < 0 {
            Glibc.close(descriptor)
            startClosing()
            throw TransportError(code: code, operation: "connect to \(name)")
        }
        self.completion = completion
        unsafe uv_poll_start(opened(as: uv_poll_t.self)!, Int32(UV_WRITABLE.rawValue)) {
            handle, status, _ in
            unsafe ConnectAttempt.of(handle!.pointee.data).finish(status)
        }
    }

    /// Gives up: the completion is called with `UV_ECANCELED`, unless the attempt is over already.
    public func cancel() { finish(UV_ECANCELED.rawValue) }

    private func finish(_ status: Int32) {
        guard !isClosing else { return }
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length)
        // libuv reports any error of a polled descriptor as EBADF; the socket knows better.
        let code = failure != 0 ? -failure : status
        if code < 0 { result = TransportError(code: code, operation: "connect to \(name)") }
        // The descriptor passes to a stream's handle, so this one must be closed first.
        startClosing()
    }

    public override func closed() {
        completion?(result)
        completion = nil
    }
}

extension ConnectAddress {
    /// Returns whether a connection is accepted now, for hosts with several addresses. Blocks until
    /// the host has answered, so it must not be called on a loop's thread.
    public func acceptsNow() -> Bool {
        let descriptor = socket(raw.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        return unsafe raw.withSockaddr { unsafe Glibc.connect(descriptor, $0, raw.length) } == 0
    }
}
