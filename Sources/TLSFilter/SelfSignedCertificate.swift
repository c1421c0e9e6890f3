import CLibSSL

/// A certificate that its own key has signed, for tests and development.
package struct SelfSignedCertificate: Sendable {
    /// The certificate, in PEM form.
    package let certificate: String
    /// The private key, in PEM form.
    package let key: String

    /// Makes a key of the curve P-256, and a certificate for it.
    ///
    /// - Parameters:
    ///   - names: Host names and IP addresses; one or more.
    ///   - days: The time of validity from now on.
    package init(names: [String], days: Int) throws(TLSFailure) {
        precondition(!names.isEmpty)
        guard let certificate = unsafe X509_new(), let key = unsafe apus_make_p256_key() else {
            throw TLSFailure("out of memory")
        }
        defer {
            unsafe X509_free(certificate)
            unsafe EVP_PKEY_free(key)
        }
        guard unsafe Self.fill(certificate, names: names, days: days),
            unsafe X509_set_pubkey(certificate, key) == 1,
            unsafe Self.addExtensions(to: certificate, names: names),
            unsafe X509_sign(certificate, key, EVP_sha256()) > 0
        else { throw TLSFailure("OpenSSL can't make the certificate: \(takeReason())") }
        self.certificate = try unsafe Self.text { unsafe PEM_write_bio_X509($0, certificate) }
        self.key = try unsafe Self.text {
            unsafe PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil)
        }
    }

    private static func fill(_ certificate: OpaquePointer, names: [String], days: Int) -> Bool {
        var serial = [UInt8](repeating: 0, count: 16)
        guard unsafe RAND_bytes(&serial, Int32(serial.count)) == 1 else { return false }
        // RFC 5280 §4.1.2.2: a positive number.
        serial[0] = serial[0] & 0x7F | 1
        let number = unsafe BN_bin2bn(serial, Int32(serial.count), nil)
        defer { unsafe BN_free(number) }
        let subject = unsafe X509_get_subject_name(certificate)
        return unsafe X509_set_version(certificate, 2) == 1
            && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
            // A minute for clocks that differ.
            && X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != nil
            && X509_time_adj_ex(X509_getm_notAfter(certificate), Int32(days), 0, nil) != nil
            && X509_NAME_add_entry_by_txt(
                subject, "CN", MBSTRING_UTF8, "apus development certificate", -1, -1, 0) == 1
            && X509_set_issuer_name(certificate, subject) == 1
    }

    /// Makes it a certificate of servers that browsers accept once it is trusted.
    private static func addExtensions(to certificate: OpaquePointer, names: [String]) -> Bool {
        let list = names.map { (isAddress($0) ? "IP:" : "DNS:") + $0 }.joined(separator: ",")
        let extensions: [(Int32, String)] = [
            (NID_basic_constraints, "critical,CA:FALSE"),
            (NID_key_usage, "critical,digitalSignature"),
            (NID_ext_key_usage, "serverAuth"),
            (NID_subject_alt_name, list),
        ]
        return extensions.allSatisfy { kind, value in
            unsafe apus_x509_add_extension(certificate, kind, value) == 1
        }
    }

    /// Whether a name is an IPv4 or IPv6 address.
    private static func isAddress(_ name: String) -> Bool {
        guard let address = unsafe a2i_IPADDRESS(name) else {
            ERR_clear_error()
            return false
        }
        unsafe ASN1_OCTET_STRING_free(address)
        return true
    }

    private static func text(
        _ write: (OpaquePointer) -> Int32
    ) throws(TLSFailure) -> String {
        guard let memory = unsafe BIO_new(BIO_s_mem()) else { throw TLSFailure("out of memory") }
        defer { unsafe BIO_free(memory) }
        guard unsafe write(memory) == 1 else {
            throw TLSFailure("OpenSSL can't write the certificate: \(takeReason())")
        }
        var bytes = [UInt8](repeating: 0, count: unsafe apus_bio_pending(memory))
        unsafe _ = BIO_read(memory, &bytes, Int32(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }
}
