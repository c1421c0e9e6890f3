package import TLSFilter

/// The certificates and settings with which a server speaks TLS 1.2 and 1.3. The files are read
/// once, by the initializer. To renew a certificate, make another context and pass it to
/// ``Server/replaceTLS(with:)``.
public final class TLSContext: Sendable {
    package let context: TLSServerContext
    private let certificates: [(certificate: TLSCertificate, path: String)]

    /// Reads certificates and keys.
    ///
    /// - Parameters:
    ///   - certificates: The files of one certificate or more. A client gets the first certificate
    ///     for the host that it names. If it names none, or a host without a certificate, it gets
    ///     the first one of all.
    ///   - clientCertificates: The certificates that clients must have. Default none.
    ///   - minimumVersion: The lowest version of TLS.
    ///   - previous: The context that this one replaces. Clients can resume their sessions, unless
    ///     they must have certificates: these are then verified again.
    /// - Throws: ``TLSError``, if a file can't be read, or a key isn't that of its certificate.
    public init(
        certificates: [CertificateFiles], clientCertificates: ClientCertificates? = nil,
        minimumVersion: TLSVersion = .tls12, replacing previous: TLSContext? = nil
    ) throws(TLSError) {
        do throws(TLSFailure) {
            guard !certificates.isEmpty else { throw TLSFailure("no certificate is given") }
            var read: [(certificate: TLSCertificate, path: String)] = []
            for files in certificates {
                let certificate = try TLSCertificate(
                    certificate: files.certificate, key: files.key)
                read.append((certificate, files.certificate))
            }
            self.certificates = read
            // A resumed session doesn't verify the client's certificate again.
            let kept = clientCertificates == nil ? previous?.context.tickets : nil
            let tickets = kept ?? TicketKeys()
            context = try TLSServerContext(
                certificates: read.map(\.certificate), authority: clientCertificates?.authority,
                clients: clientCertificates?.isRequired == false ? .optional : .required,
                isTLS13Only: minimumVersion == .tls13,
                tickets: tickets)
        } catch {
            throw TLSError(error)
        }
    }

    /// Returns a warning for each certificate that isn't valid at the given time.
    ///
    /// - Parameter seconds: The seconds since 1970.
    public func warnings(at seconds: Int) -> [TLSError] {
        certificates.compactMap { certificate, path in
            certificate.warning(at: seconds).map { TLSError(TLSFailure($0, file: path)) }
        }
    }
}

/// The files of a certificate and its key, in PEM form.
public struct CertificateFiles: Sendable, Hashable {
    /// The file with the certificate, followed by the authorities that issued it.
    public var certificate: String
    /// The file with the private key, which must not be encrypted.
    public var key: String

    /// Creates the paths of the files. ``TLSContext`` reads them.
    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// The certificates that clients must have to connect (mutual TLS).
public struct ClientCertificates: Sendable, Hashable {
    /// A PEM file with the authorities that issue them.
    public var authority: String
    /// Whether a client without a certificate is refused. A client with another authority's
    /// certificate always is. Default true.
    public var isRequired: Bool

    /// Creates a requirement. ``TLSContext`` reads the file.
    public init(authority: String, isRequired: Bool = true) {
        self.authority = authority
        self.isRequired = isRequired
    }
}

/// A version of TLS.
public enum TLSVersion: Sendable, Hashable {
    /// RFC 5246.
    case tls12
    /// RFC 8446.
    case tls13
}

/// A problem with a certificate, a key, or their files.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file that has the problem; `nil` if none has.
    public let file: String?
    /// The problem, and what to do.
    public let problem: String

    init(_ failure: TLSFailure) {
        file = failure.file
        problem = failure.problem
    }

    public var description: String { file.map { "\($0): \(problem)" } ?? problem }
}

/// The number of TLS handshakes, by their result.
public struct TLSCounts: Sendable, Equatable {
    /// The completed handshakes.
    public internal(set) var completed = 0
    /// The completed handshakes that resumed an earlier session.
    public internal(set) var resumed = 0
    /// The failed handshakes, and sessions that an error has ended.
    public internal(set) var failed = 0
    /// The connections that began with a request in plain text.
    public internal(set) var plainText = 0
    /// The handshakes that were ended because ``Limits/handshakesMax`` was exceeded.
    public internal(set) var evicted = 0

    /// Creates counters that are zero.
    public init() {}

    mutating func add(_ other: TLSCounts) {
        completed += other.completed
        resumed += other.resumed
        failed += other.failed
        plainText += other.plainText
        evicted += other.evicted
    }
}
