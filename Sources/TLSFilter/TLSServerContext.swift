import CLibSSL
import Glibc

/// The state that all TLS sessions of a server share: certificates, ciphers, and the keys of
/// tickets.
// Safety: it owns the contexts, which OpenSSL lets threads share, and doesn't change them any more.
@safe
package final class TLSServerContext: @unchecked Sendable {
    /// Whether clients must have a certificate of the authority.
    package enum ClientCertificates: Sendable { case optional, required }

    /// Mozilla's intermediate ciphers of TLS 1.2, without those of finite fields (DHE): a client
    /// could have the server compute them at little cost of its own. OpenSSL's for TLS 1.3 are all
    /// of Mozilla's.
    private static let ciphers = """
        ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
        ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
        ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
        """
    /// The largest chain of certificates that a client may send.
    private static let clientChainSizeMax = 32 << 10

    /// The contexts of the certificates: the first is that of clients that name no host, or one
    /// that no certificate is for.
    private let contexts: [OpaquePointer]
    private let names: CertificateNames
    package let tickets: TicketKeys

    /// - Parameters:
    ///   - certificates: One or more. The first is used if no other has the name that a client asks
    ///     for.
    ///   - authority: A PEM file with the authorities of clients' certificates; `nil` asks for none.
    ///   - tickets: The keys of tickets, which a later context may continue to use.
    package init(
        certificates: [TLSCertificate], authority: String? = nil,
        clients: ClientCertificates = .required, isTLS13Only: Bool = false,
        tickets: TicketKeys = TicketKeys()
    ) throws(TLSFailure) {
        precondition(!certificates.isEmpty)
        var names = CertificateNames()
        var made: [OpaquePointer] = unsafe []
        do throws(TLSFailure) {
            for (index, certificate) in certificates.enumerated() {
                unsafe made.append(try Self.make(certificate, isTLS13Only: isTLS13Only))
                if let authority { try unsafe Self.demand(clients, of: authority, in: made[index]) }
                for name in certificate.names { names.add(name, for: index) }
            }
        } catch {
            for index in unsafe made.indices { unsafe SSL_CTX_free(made[index]) }
            throw error
        }
        unsafe contexts = unsafe made
        self.names = names
        self.tickets = tickets
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        for index in unsafe contexts.indices {
            let context = unsafe contexts[index]
            unsafe _ = SSL_CTX_set_ex_data(context, 0, this)
            unsafe apus_ssl_on_server_name(context, onServerName, this)
            unsafe apus_ssl_on_ticket(context, onTicket)
            unsafe SSL_CTX_set_alpn_select_cb(context, onProtocols, nil)
            unsafe SSL_CTX_set_info_callback(context, onProgress)
        }
    }

    deinit { for index in unsafe contexts.indices { unsafe SSL_CTX_free(contexts[index]) } }

    /// The context that sessions begin with.
    var first: OpaquePointer { unsafe contexts[0] }

    /// Returns the context with the certificate for a name.
    func context(for name: UnsafePointer<CChar>) -> OpaquePointer? {
        let bytes = unsafe UnsafeRawBufferPointer(start: name, count: strlen(name))
        return unsafe names.find(bytes).map { unsafe contexts[$0] }
    }

    private static func make(
        _ certificate: TLSCertificate, isTLS13Only: Bool
    ) throws(TLSFailure) -> OpaquePointer {
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw TLSFailure("out of memory for TLS")
        }
        let sessionContext: [UInt8] = Array("apus".utf8)
        guard
            unsafe apus_ssl_set_up_server(
                context, isTLS13Only ? 1 : 0, clientChainSizeMax) == 1,
            unsafe SSL_CTX_set_cipher_list(context, ciphers) == 1,
            unsafe SSL_CTX_set_session_id_context(
                context, sessionContext, UInt32(sessionContext.count)) == 1,
            unsafe SSL_CTX_use_cert_and_key(
                context, certificate.certificate, certificate.key, certificate.chain, 1) == 1
        else {
            unsafe SSL_CTX_free(context)
            throw TLSFailure("OpenSSL doesn't accept the certificate: \(takeReason())")
        }
        unsafe _ = SSL_CTX_set_timeout(context, TicketKeyRing.rotation)
        return unsafe context
    }

    /// Asks clients for a certificate of an authority.
    private static func demand(
        _ clients: ClientCertificates, of authority: String, in context: OpaquePointer
    ) throws(TLSFailure) {
        guard unsafe SSL_CTX_load_verify_file(context, authority) == 1,
            let names = unsafe SSL_load_client_CA_file(authority)
        else {
            ERR_clear_error()
            throw TLSFailure("can't be read as a PEM file of certificates", file: authority)
        }
        unsafe SSL_CTX_set_client_CA_list(context, names)
        let required = clients == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, nil)
    }

    /// Returns the context object of a session.
    fileprivate static func of(_ ssl: OpaquePointer) -> TLSServerContext {
        let data = unsafe SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0)
        return unsafe Unmanaged<TLSServerContext>.fromOpaque(data!).takeUnretainedValue()
    }
}

// Safety of all: a session keeps its context object alive.

/// Chooses the certificate by the name that the client asks for.
private let onServerName:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 =
        { ssl, _, data in
            guard let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
                return SSL_TLSEXT_ERR_NOACK
            }
            let server = unsafe Unmanaged<TLSServerContext>.fromOpaque(data!).takeUnretainedValue()
            if let context = unsafe server.context(for: name) {
                unsafe SSL_set_SSL_CTX(ssl, context)
            }
            return SSL_TLSEXT_ERR_OK
        }

/// Chooses `http/1.1` among the protocols that the client offers (RFC 7301 §3.2).
private let onProtocols: SSL_CTX_alpn_select_cb_func = { _, chosen, size, offered, count, _ in
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(count))
    let wanted = "http/1.1".utf8
    var index = 0
    while index < list.count {
        let length = unsafe Int(list[index])
        let end = index + 1 + length
        guard end <= list.count else { break }
        if unsafe list[(index + 1)..<end].elementsEqual(wanted) {
            unsafe chosen!.pointee = unsafe offered! + index + 1
            unsafe size!.pointee = UInt8(length)
            return SSL_TLSEXT_ERR_OK
        }
        index = end
    }
    // §3.2: no_application_protocol.
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Gives OpenSSL the key of a new ticket, or of one that a client presents.
private let onTicket:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?,
        OpaquePointer?, OpaquePointer?, Int32
    ) -> Int32 = { ssl, name, vector, cipher, mac, isNew in
        let tickets = unsafe TLSServerContext.of(ssl!).tickets
        let place = unsafe UnsafeMutableBufferPointer(start: name, count: 16)
        if isNew == 1 {
            guard let key = tickets.current() else { return -1 }
            unsafe _ = place.update(fromContentsOf: key.name)
            return unsafe apus_ssl_use_ticket_key(
                cipher, mac, vector, key.cipherKey, key.macKey, 1)
        }
        // 0: a full handshake follows.
        guard let (key, isOld) = unsafe tickets.find(place) else { return 0 }
        guard
            unsafe apus_ssl_use_ticket_key(cipher, mac, vector, key.cipherKey, key.macKey, 0) == 1
        else { return -1 }
        return isOld ? 2 : 1
    }

/// Counts the handshake messages of a session.
let onProgress: @convention(c) (OpaquePointer?, Int32, Int32) -> Void = { ssl, place, value in
    // Not by SSL_set_ex_data, which allocates.
    guard let data = unsafe BIO_get_data(SSL_get_rbio(ssl)) else { return }
    unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef {
        $0.progressed(place, value)
    }
}
