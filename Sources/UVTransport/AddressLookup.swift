import Glibc

extension ConnectAddress {
    /// Resolves a name as ``resolve(host:port:)`` does, on a thread of its own, since a name server
    /// may take its time.
    package static func lookUp(
        host: String, port: Int
    ) async throws(TransportError) -> [ConnectAddress] {
        let result: Result<[ConnectAddress], TransportError> =
            await withCheckedContinuation { continuation in
                let lookup = AddressLookup {
                    continuation.resume(
                        returning: Result(catching: { () throws(TransportError) in
                            try resolve(host: host, port: port)
                        }))
                }
                if !lookup.start() {
                    let error = TransportError(code: -EAGAIN, operation: "start a thread")
                    continuation.resume(returning: .failure(error))
                }
            }
        return try result.get()
    }
}

/// One blocking call on a thread that ends with it.
private final class AddressLookup: Sendable {
    private let work: @Sendable () -> Void

    init(_ work: @escaping @Sendable () -> Void) { self.work = work }

    /// Starts the thread. Returns false if there can be no further thread.
    func start() -> Bool {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<AddressLookup>.fromOpaque(context!).takeRetainedValue().work()
                return nil
            }, context.toOpaque())
        if code != 0 {
            unsafe context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
