import CLibSSL

/// One client's TLS session without a socket: ciphertext in and out by memory, plaintext beside it.
///
/// The peer's certificate must be valid, by OpenSSL's trusted certificates (those of the system,
/// or of `SSL_CERT_FILE` and `SSL_CERT_DIR`), and be for the host, unless the context trusts any.
// Safety: it owns the session, which owns both BIOs; used by one thread at a time.
@safe
package final class TLSClient {
    /// Why there is no session, or no further.
    package struct Fault: Error, CustomStringConvertible {
        package let description: String
        /// Whether it is the peer's certificate that is refused.
        package var isOfCertificate = false
    }

    private static let readSize = 16 << 10

    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private var buffer = [UInt8](repeating: 0, count: readSize)
    package private(set) var isEstablished = false

    /// - Parameter host: a name, or an IP address as a certificate may have it.
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
        // A name that is an address is matched with addresses, and not sent (RFC 6066 §3).
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1,
            unsafe SSL_set1_host(ssl, host) != 1 || apus_ssl_set_server_name(ssl, host) != 1
        {
            unsafe SSL_free(ssl)
            throw Fault(description: "TLS: no certificate can be for this host")
        }
        unsafe self.ssl = unsafe ssl
        unsafe self.input = unsafe input
        unsafe self.output = unsafe output
    }

    deinit { unsafe SSL_free(ssl) }

    /// Takes ciphertext in.
    package func receive(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        // A BIO in memory takes all, and a loop reads less than 2 GiB at once.
        unsafe BIO_write(input, bytes.baseAddress!, Int32(bytes.count))
    }

    /// Goes on with the handshake; true once it is done.
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

    /// Hands over all plaintext that has come, in pieces; false when the peer has ended it.
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

    /// Takes plaintext in, once the session is established.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        var rest = unsafe bytes
        while rest.count > 0 {
            ERR_clear_error()
            let size = min(rest.count, 1 << 20)
            // Into memory, so it is taken whole.
            guard unsafe SSL_write(ssl, rest.baseAddress!, Int32(size)) == size else { throw fault }
            unsafe rest = unsafe .init(rebasing: rest[size...])
        }
    }

    /// Hands over the ciphertext that is to be sent, as often as `place` has room for it.
    package func takeOutput(_ place: (_ count: Int) -> UnsafeMutableRawPointer?) {
        let count = unsafe apus_bio_pending(output)
        guard count > 0, let target = unsafe place(count) else { return }
        unsafe BIO_read(output, target, Int32(count))
    }

    private var fault: Fault {
        let verdict = unsafe SSL_get_verify_result(ssl)
        if unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE, verdict != Int(X509_V_OK) {
            let text = unsafe String(cString: X509_verify_cert_error_string(verdict))
            return Fault(
                description: "TLS: the certificate is refused: \(text)", isOfCertificate: true)
        }
        let code = ERR_get_error()
        if code == 0 { return Fault(description: "TLS: the peer broke off") }
        var text = [CChar](repeating: 0, count: 256)
        unsafe ERR_error_string_n(code, &text, text.count)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return Fault(description: "TLS: \(String(decoding: bytes, as: UTF8.self))")
    }
}

/// What all sessions of a client share: the trusted certificates.
// Safety: it owns the context, which OpenSSL lets threads share, and changes it no more.
@safe
package final class TLSClientContext: @unchecked Sendable {
    fileprivate let raw: OpaquePointer

    /// TLS 1.2 and later.
    ///
    /// - Parameter trustsAny: takes any certificate, of anyone: for measurements and tests.
    package init(trustsAny: Bool = false) throws(TLSClient.Fault) {
        guard let raw = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw TLSClient.Fault(description: "out of memory for TLS")
        }
        unsafe SSL_CTX_set_verify(raw, trustsAny ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        guard unsafe apus_ssl_set_minimum_version(raw) == 1,
            unsafe SSL_CTX_set_default_verify_paths(raw) == 1
        else {
            unsafe SSL_CTX_free(raw)
            throw TLSClient.Fault(description: "no trusted certificates for TLS")
        }
        unsafe self.raw = unsafe raw
    }

    deinit { unsafe SSL_CTX_free(raw) }
}
