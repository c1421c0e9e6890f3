import CLibSSL

/// The carrier of a session's ciphertext. Results are counts, or negative error codes as the
/// system's, of which `-EAGAIN` is ``TLSSession/wouldBlock``.
package protocol TLSWire: AnyObject {
    /// Returns the number of bytes put into `buffer`; 0 at the end.
    func receiveCiphertext(into buffer: UnsafeMutableRawBufferPointer) -> Int

    /// Returns the number of bytes taken.
    func sendCiphertext(_ bytes: UnsafeRawBufferPointer) -> Int
}

/// One TLS session of a server or client, over a wire that belongs to its owner.
///
/// OpenSSL reads from the wire into its record and writes from its record to the wire, so that
/// ciphertext isn't copied in between. For one thread at a time.
// Safety: it owns OpenSSL's session, which refers back to it only while it exists.
@safe
package final class TLSSession {
    /// The result of a read or write that has to wait for the wire.
    package static let wouldBlock = -11
    /// The result of an error of the peer, or of OpenSSL; see ``failure``.
    package static let failed = -71
    /// The result if the wire ended without the peer's `close_notify` (RFC 8446 §6.1): bytes may be
    /// missing.
    package static let truncated = -104
    /// The most plaintext in one record (RFC 8446 §5.1).
    package static let recordSize = 16 << 10
    /// The handshake messages that a peer may send after the handshake, such as updates of its
    /// keys, and the bytes for which it may send one more.
    private static let messagesMax = 16
    /// The steps that OpenSSL reports for one such message; as many again if it wants an answer.
    private static let stepsPerMessage = 3
    private static let bytesPerMessage = 1 << 20
    /// The bytes of the wire, at least two records, after which a call returns even if no plaintext
    /// was among them.
    fileprivate static let callSizeMax = 36 << 10
    /// The value of the alert `no_renegotiation`, a warning (RFC 5246 §7.2.2).
    private static let noRenegotiation: Int32 = 1 << 8 | 100

    private let ssl: OpaquePointer
    private let context: AnyObject
    unowned let wire: any TLSWire
    fileprivate var wireEnd = WireState.flowing
    /// The error code of a wire that has failed.
    fileprivate var wireError = TLSSession.failed
    /// Whether the handshake is done.
    package private(set) var isEstablished = false
    fileprivate var hasBrokenRules = false
    /// The bytes that the current call has read from the wire.
    fileprivate var callSize = 0
    private var stepsAfterwards = 0
    private var bytesRead = 0
    /// The reason of an error.
    package private(set) var failure: String?

    fileprivate enum WireState: UInt8 { case flowing, waitsForInput, waitsForOutput, ended, failed }

    /// Makes the session of a server.
    package init(accepting context: TLSServerContext, wire: any TLSWire) throws(TLSFailure) {
        guard let ssl = unsafe SSL_new(context.first) else {
            ERR_clear_error()
            throw TLSFailure("out of memory for TLS")
        }
        unsafe self.ssl = unsafe ssl
        self.context = context
        self.wire = wire
        unsafe SSL_set_accept_state(ssl)
        try connectWire()
    }

    /// Makes the session of a client.
    ///
    /// - Parameter host: The server's name, or its IP address in the form that a certificate has.
    package init(
        connecting context: TLSClientContext, host: String, wire: any TLSWire
    ) throws(TLSFailure) {
        guard let ssl = unsafe SSL_new(context.raw) else {
            ERR_clear_error()
            throw TLSFailure("out of memory for TLS")
        }
        unsafe self.ssl = unsafe ssl
        self.context = context
        self.wire = wire
        unsafe SSL_set_connect_state(ssl)
        unsafe apus_ssl_session_uses_little_memory(ssl)
        unsafe SSL_set_info_callback(ssl, onProgress)
        // An address is matched with the addresses of the certificate, and isn't sent (RFC 6066
        // §3).
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1,
            unsafe SSL_set1_host(ssl, host) != 1 || apus_ssl_set_server_name(ssl, host) != 1
        {
            ERR_clear_error()
            throw TLSFailure("the name of this host can't be in a certificate")
        }
        try connectWire()
    }

    private func connectWire() throws(TLSFailure) {
        guard let bio = unsafe BIO_new(WireMethod.shared.raw) else {
            ERR_clear_error()
            throw TLSFailure("out of memory for TLS")
        }
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe BIO_set_data(bio, this)
        unsafe BIO_set_init(bio, 1)
        unsafe SSL_set_bio(ssl, bio, bio)
    }

    deinit { unsafe SSL_free(ssl) }

    // MARK: - Handshake

    /// Continues the handshake. Returns 1 once it is done, ``wouldBlock`` or an error.
    package func shakeHands() -> Int {
        beginCall()
        let code = unsafe SSL_do_handshake(ssl)
        guard code == 1 else { return result(of: code) }
        unsafe apus_ssl_erase_key_exchange(ssl)
        // Such as that of an unknown ticket. It isn't the reason of a later end.
        ERR_clear_error()
        isEstablished = true
        return 1
    }

    private func beginCall() {
        wireEnd = .flowing
        callSize = 0
    }

    /// Called by OpenSSL for each step of a handshake, and for each alert.
    func progressed(_ place: Int32, _ value: Int32) {
        guard isEstablished else { return }
        // TLS 1.2: a renegotiation, which is refused (RFC 7457 §2.9). As a server, OpenSSL only
        // answers it with a warning, and would do so again and again.
        if place & SSL_CB_HANDSHAKE_START != 0 { hasBrokenRules = true }
        if place & SSL_CB_ALERT != 0, place & SSL_CB_WRITE != 0, value == Self.noRenegotiation {
            hasBrokenRules = true
        }
        // TLS 1.3: an update of keys, or another message that costs work.
        guard place & SSL_CB_LOOP != 0 else { return }
        stepsAfterwards += 1
        let messagesMax = Self.messagesMax + bytesRead / Self.bytesPerMessage
        if stepsAfterwards > messagesMax * Self.stepsPerMessage {
            hasBrokenRules = true
        }
    }

    // MARK: - Plaintext

    /// Reads up to one record. Returns the number of bytes, 0 if the peer has ended the stream,
    /// ``wouldBlock`` or an error.
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if hasBrokenRules { return breakOff() }
        beginCall()
        let size = Int32(clamping: buffer.count)
        let count = unsafe SSL_read(ssl, buffer.baseAddress, size)
        guard count > 0 else { return result(of: count) }
        bytesRead += Int(count)
        return Int(count)
    }

    /// Whether OpenSSL holds received bytes, perhaps only a part of a record.
    package var hasBuffered: Bool { unsafe SSL_has_pending(ssl) == 1 }

    /// Encrypts and sends up to one record. Returns the number of bytes, ``wouldBlock`` or an
    /// error. After ``wouldBlock``, the next call must begin with the same bytes, and have at least
    /// as many of them: the record waits, encrypted.
    package func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        beginCall()
        let size = Int32(min(bytes.count, Self.recordSize))
        let count = unsafe SSL_write(ssl, bytes.baseAddress, size)
        return count > 0 ? Int(count) : result(of: count)
    }

    /// Whether the last call has left ciphertext that the wire must take.
    package var waitsForOutput: Bool { wireEnd == .waitsForOutput }

    /// Sends `close_notify` (RFC 8446 §6.1). Returns ``wouldBlock`` if the wire has no room.
    package func finish() -> Int {
        guard isEstablished, failure == nil else { return 0 }
        beginCall()
        let code = unsafe SSL_shutdown(ssl)
        ERR_clear_error()
        return code < 0 && wireEnd == .waitsForOutput ? Self.wouldBlock : 0
    }

    // MARK: - Facts

    /// Whether the session continues an earlier one.
    package var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// The version, such as `TLSv1.3`.
    package var version: String { unsafe String(cString: SSL_get_version(ssl)) }

    // MARK: - Errors

    private func result(of code: Int32) -> Int {
        if hasBrokenRules { return breakOff() }
        switch wireEnd {
        case .waitsForInput, .waitsForOutput: return Self.wouldBlock
        case .flowing:
            if unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0,
                unsafe SSL_get_error(ssl, code) == SSL_ERROR_ZERO_RETURN
            {
                return 0
            }
        case .ended:
            ERR_clear_error()
            failure = failure ?? "the connection ended without notice"
            return Self.truncated
        case .failed:
            failure = failure ?? describeError()
            return wireError
        }
        failure = failure ?? describeError()
        return Self.failed
    }

    private func breakOff() -> Int {
        ERR_clear_error()
        failure = failure ?? "the peer renegotiates, or updates its keys too often"
        return Self.failed
    }

    private func describeError() -> String {
        let verdict = unsafe SSL_get_verify_result(ssl)
        let reason = takeReason()
        guard verdict != Int(X509_V_OK), unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE else {
            return reason
        }
        let text = unsafe String(cString: X509_verify_cert_error_string(verdict))
        return "the certificate is refused: \(text)"
    }

    /// Whether the peer's certificate is the reason of an error.
    package var isCertificateRefused: Bool {
        guard failure != nil, unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE else {
            return false
        }
        return unsafe SSL_get_verify_result(ssl) != Int(X509_V_OK)
    }
}

/// OpenSSL's table of functions for a session's wire.
// Safety: it is made once and never freed.
@safe
private final class WireMethod: @unchecked Sendable {
    static let shared = WireMethod()
    let raw: OpaquePointer

    private init() {
        unsafe raw = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire")!
        unsafe BIO_meth_set_read(raw) { bio, buffer, count in
            unsafe apus_bio_clear_retry(bio)
            return unsafe WireMethod.session(of: bio).receive(bio!, buffer!, Int(count))
        }
        unsafe BIO_meth_set_write(raw) { bio, bytes, count in
            unsafe apus_bio_clear_retry(bio)
            return unsafe WireMethod.session(of: bio).send(bio!, bytes!, Int(count))
        }
        unsafe BIO_meth_set_ctrl(raw) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    }

    private static func session(of bio: OpaquePointer?) -> TLSSession {
        unsafe Unmanaged<TLSSession>.fromOpaque(BIO_get_data(bio)!).takeUnretainedValue()
    }
}

extension TLSSession {
    fileprivate func receive(
        _ bio: OpaquePointer, _ buffer: UnsafeMutablePointer<CChar>, _ count: Int
    ) -> Int32 {
        // OpenSSL reads until there is plaintext, however many other records a peer sends. The
        // event loop comes back for bytes that stay in the wire.
        let isOver = hasBrokenRules || callSize >= Self.callSizeMax
        let got =
            isOver
            ? Self.wouldBlock
            : unsafe wire.receiveCiphertext(
                into: UnsafeMutableRawBufferPointer(start: buffer, count: count))
        if got > 0 {
            callSize += got
            return Int32(got)
        }
        if got == Self.wouldBlock {
            wireEnd = .waitsForInput
            unsafe apus_bio_retry_read(bio)
        } else {
            wireEnd = got == 0 ? .ended : .failed
            wireError = got
        }
        return got == 0 ? 0 : -1
    }

    fileprivate func send(
        _ bio: OpaquePointer, _ bytes: UnsafePointer<CChar>, _ count: Int
    ) -> Int32 {
        let sent = unsafe wire.sendCiphertext(UnsafeRawBufferPointer(start: bytes, count: count))
        if sent > 0 { return Int32(sent) }
        if sent == Self.wouldBlock {
            wireEnd = .waitsForOutput
            unsafe apus_bio_retry_write(bio)
        } else {
            wireEnd = .failed
            wireError = sent < 0 ? sent : Self.failed
        }
        return -1
    }
}
