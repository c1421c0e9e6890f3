import CLibuv
import Glibc

/// A libuv error code, and the operation that failed with it.
public struct TransportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The negative libuv code, `UV_EADDRINUSE` and the like.
    public let code: Int32
    /// The operation that failed, such as `bind 127.0.0.1:8080`.
    public let operation: String

    public init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// Returns the error in `errno` after a failed C call.
    static func lastSystemError(_ operation: String) -> TransportError {
        TransportError(code: -errno, operation: operation)
    }

    public var name: String { unsafe String(cString: uv_err_name(code)) }

    public var description: String {
        unsafe "\(operation): \(String(cString: uv_strerror(code))) (\(name))"
    }

    /// Throws unless a libuv call succeeded.
    static func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(TransportError)
    {
        if code < 0 { throw TransportError(code: code, operation: operation()) }
    }

    public static let endOfFile = TransportError(code: UV_EOF.rawValue, operation: "read")
    public var isEndOfFile: Bool { code == UV_EOF.rawValue }
    public var isAddressInUse: Bool { code == UV_EADDRINUSE.rawValue }
    public var isConnectionReset: Bool {
        code == UV_ECONNRESET.rawValue || code == UV_EPIPE.rawValue
    }
}
