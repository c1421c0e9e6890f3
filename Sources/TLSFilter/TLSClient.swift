import CLibSSL

/// The TLS session of a client, without a socket: ciphertext and plaintext are passed in memory.
///
/// The peer's certificate must be valid for the host and trusted by OpenSSL: by the system's
/// certificates, or by those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. A context can trust any
/// certificate instead.
// Safety: it owns the session, which owns both BIOs, and is used by one thread at a time.
@safe
package final class TLSClient {
    /// The reason why a session can't be created or continued.
    package struct Fault: Error, CustomStringConvertible {
        package let description: String
        /// Whether the peer's certificate is the reason.
        package var isOfCertificate = false

        package init(description: String, isOfCertificate: Bool = false) {
            self.description = description
            self.isOfCertificate = isOfCertificate
        }
    }

    private static let readSize = 16 << 10

    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private var buffer = [UInt8](repeating: 0, count: readSize)
    package private(set) var isEstablished = false

    /// - Parameter host: A name, or an IP address in the form that a certificate has.
    package init(context: TLSClientContext, host: String) throws(Fault) {
        let made = unsafe (
            SSL_new(context.raw), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())
        )
        guard let ssl = unsafe made.0, let input = unsafe made.1, let output = unsafe made.2 else {
            unsafe SSL_free(made.0)
            unsafe BIO_free(made.1)
            unsafe BIO_free(made.2)
            throw Fault(description: "out of memory for TLS")
        }
        unsafe SSL_set_bio(ssl, input, output)
        unsafe SSL_set_connect_state(ssl)
        // An address is matched with the addresses of the certificate, and isn't sent (RFC 6066
        // §3).
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1,
            unsafe SSL_set1_host(ssl, host) != 1 || apus_ssl_set_server_name(ssl, host) != 1
        {
            unsafe SSL_free(ssl)
            throw Fault(description: "TLS: the name of this host can't be in a certificate")
        }
        unsafe self.ssl = unsafe ssl
        unsafe self.input = unsafe input
        unsafe self.output = unsafe output
    }

    deinit { unsafe SSL_free(ssl) }

    /// Receives ciphertext.
    package func receive(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        // A BIO in memory accepts everything, and a loop reads less than 2 GiB at once.
        unsafe BIO_write(input, bytes.baseAddress!, Int32(bytes.count))
    }

    /// Continues the handshake. Returns true once it is complete.
    package func shakeHands() throws(Fault) -> Bool {
        if isEstablished { return true }
        ERR_clear_error()
        let code = unsafe SSL_do_handshake(ssl)
        if code == 1 {
            isEstablished = true
        } else if unsafe SSL_get_error(ssl, code) != SSL_ERROR_WANT_READ {
            throw fault
        }
        return isEstablished
    }

    /// Passes all received plaintext to the caller in pieces. Returns false if the peer has ended
    /// it.
    package func read(_ body: (UnsafeRawBufferPointer) -> Void) throws(Fault) -> Bool {
        while true {
            ERR_clear_error()
            let count = unsafe SSL_read(ssl, &buffer, Int32(buffer.count))
            if count > 0 {
                unsafe buffer.withUnsafeBytes { unsafe body(.init(rebasing: $0[..<Int(count)])) }
                continue
            }
            switch unsafe SSL_get_error(ssl, count) {
            case SSL_ERROR_WANT_READ: return true
            case SSL_ERROR_ZERO_RETURN: return false
            default: throw fault
            }
        }
    }

    /// Encrypts plaintext, once the session is established.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        var rest = unsafe bytes
        while rest.count > 0 {
            ERR_clear_error()
            let size = min(rest.count, 1 << 20)
            // A write to memory is always complete.
            guard unsafe SSL_write(ssl, rest.baseAddress!, Int32(size)) == size else { throw fault }
            unsafe rest = unsafe .init(rebasing: rest[size...])
        }
    }

    /// Passes the ciphertext that must be sent to the caller, in pieces that fit into `place`.
    package func takeOutput(_ place: (_ count: Int) -> UnsafeMutableRawPointer?) {
        let count = unsafe apus_bio_pending(output)
        guard count > 0, let target = unsafe place(count) else { return }
        unsafe BIO_read(output, target, Int32(count))
    }

    private var fault: Fault {
        // The next session of this thread would take a remaining error for its own.
        defer { ERR_clear_error() }
        let verdict = unsafe SSL_get_verify_result(ssl)
        if unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE, verdict != Int(X509_V_OK) {
            let text = unsafe String(cString: X509_verify_cert_error_string(verdict))
            return Fault(
                description: "TLS: the certificate is refused: \(text)", isOfCertificate: true)
        }
        let code = ERR_get_error()
        if code == 0 { return Fault(description: "TLS: the peer closed the connection") }
        var text = [CChar](repeating: 0, count: 256)
        unsafe ERR_error_string_n(code, &text, text.count)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return Fault(description: "TLS: \(String(decoding: bytes, as: UTF8.self))")
    }
}

/// The state that all sessions of a client share: the trusted certificates.
// Safety: it owns the context, which OpenSSL lets threads share, and doesn't change it any more.
@safe
package final class TLSClientContext: @unchecked Sendable {
    let raw: OpaquePointer

    /// Creates a context for TLS 1.2 and later.
    ///
    /// - Parameters:
    ///   - trustsAny: Whether any certificate is accepted. Only for measurements and tests.
    ///   - authority: A PEM file with the authorities to trust in place of the system's.
    package init(trustsAny: Bool = false, authority: String? = nil) throws(TLSClient.Fault) {
        guard let raw = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw TLSClient.Fault(description: "out of memory for TLS")
        }
        unsafe SSL_CTX_set_verify(raw, trustsAny ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        let isTrusting =
            if let authority { unsafe SSL_CTX_load_verify_file(raw, authority) == 1 } else {
                unsafe SSL_CTX_set_default_verify_paths(raw) == 1
            }
        guard unsafe apus_ssl_set_minimum_version(raw) == 1, isTrusting else {
            ERR_clear_error()
            unsafe SSL_CTX_free(raw)
            throw TLSClient.Fault(
                description: authority.map { "\($0) can't be read as a PEM file of certificates" }
                    ?? "no trusted certificates for TLS")
        }
        unsafe self.raw = unsafe raw
    }

    deinit { unsafe SSL_CTX_free(raw) }
}
