import Synchronization
import TLSFilter
import UVTransport

/// The servers that a ``WebSocketClient`` trusts when it connects to a `wss` URL.
public struct ClientTLS: Sendable, Hashable {
    /// A PEM file with the authorities to trust in place of the system's. `nil`, the default,
    /// trusts those of OpenSSL, which the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// change.
    public var authority: String?
    /// Whether the server's certificate is verified, and must be for the URL's host. Default true.
    /// False is only for tests: anyone in the network can then read and change the messages.
    public var verifiesServer: Bool

    /// Creates the settings. The file is read when the first `wss` URL needs it.
    public init(authority: String? = nil, verifiesServer: Bool = true) {
        self.authority = authority
        self.verifiesServer = verifiesServer
    }
}

/// The TLS of a client, which reads the authorities when the first `wss` URL needs them.
final class ClientTLSContext: Sendable {
    private let options: ClientTLS
    private let made = Mutex<TLSClientContext?>(nil)

    init(_ options: ClientTLS) { self.options = options }

    /// Returns the settings for a URL; `nil` if it isn't encrypted.
    func settings(for url: WebSocketURL) throws(ClientError) -> TLSClientSettings? {
        guard url.isEncrypted, case .host(let host, _) = url.place else { return nil }
        return TLSClientSettings(context: try context(), host: host)
    }

    private func context() throws(ClientError) -> TLSClientContext {
        let result = made.withLock { made in
            Result<TLSClientContext, TLSClient.Fault> { () throws(TLSClient.Fault) in
                if let made { return made }
                let context = try TLSClientContext(
                    trustsAny: !options.verifiesServer, authority: options.authority)
                made = context
                return context
            }
        }
        switch result {
        case .success(let context): return context
        case .failure(let fault):
            throw ClientError(.tlsFailed, fault.description, underlying: fault)
        }
    }
}
