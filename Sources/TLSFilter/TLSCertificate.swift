import CLibSSL
import Glibc

/// A certificate with its chain and its private key, read from PEM files.
// Safety: it owns the objects of OpenSSL, and never changes them.
@safe
package final class TLSCertificate: @unchecked Sendable {
    let certificate: OpaquePointer
    let chain: OpaquePointer
    let key: OpaquePointer
    /// The DNS names and IP addresses in the certificate; its common name if there are none.
    package let names: [String]
    /// The time of validity, in seconds since 1970.
    package let validity: ClosedRange<Int>

    /// Reads the files: the certificate first and the authorities that issued it after it, and its
    /// key.
    package init(certificate path: String, key keyPath: String) throws(TLSFailure) {
        let read = unsafe try Self.readCertificates(path)
        unsafe certificate = unsafe read.first
        unsafe chain = unsafe read.chain
        names = unsafe Self.names(of: read.first)
        validity = unsafe Self.validity(of: read.first)
        do throws(TLSFailure) {
            unsafe key = try Self.readKey(keyPath)
        } catch {
            unsafe X509_free(read.first)
            unsafe apus_chain_free(read.chain)
            throw error
        }
        guard unsafe X509_check_private_key(certificate, key) == 1 else {
            ERR_clear_error()
            throw TLSFailure("the key isn't that of the certificate in \(path)", file: keyPath)
        }
    }

    deinit {
        unsafe X509_free(certificate)
        unsafe apus_chain_free(chain)
        unsafe EVP_PKEY_free(key)
    }

    /// Returns a warning if the certificate isn't valid at a time, in seconds since 1970.
    package func warning(at now: Int) -> String? {
        if now > validity.upperBound { return "expired on \(Self.date(validity.upperBound))" }
        if now < validity.lowerBound {
            return "is valid only from \(Self.date(validity.lowerBound)) on"
        }
        return nil
    }

    private static func date(_ seconds: Int) -> String {
        var time = time_t(seconds)
        var parts = unsafe tm()
        unsafe gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }

    // MARK: - Reading

    private static func open(_ path: String) throws(TLSFailure) -> OpaquePointer {
        guard let file = unsafe BIO_new_file(path, "r") else {
            let reason = unsafe String(cString: strerror(errno))
            ERR_clear_error()
            throw TLSFailure("can't be read: \(reason)", file: path)
        }
        return unsafe file
    }

    private static func readCertificates(
        _ path: String
    ) throws(TLSFailure) -> (first: OpaquePointer, chain: OpaquePointer) {
        let file = try unsafe open(path)
        defer { unsafe BIO_free(file) }
        guard let first = unsafe PEM_read_bio_X509_AUX(file, nil, nil, nil) else {
            ERR_clear_error()
            throw TLSFailure(
                "no certificate is in it: a PEM file has -----BEGIN CERTIFICATE-----", file: path)
        }
        let chain = unsafe apus_chain_new()!
        while let next = unsafe PEM_read_bio_X509(file, nil, nil, nil) {
            unsafe _ = apus_chain_push(chain, next)
        }
        // The end of the file is an error too.
        let end = ERR_peek_last_error()
        ERR_clear_error()
        guard apus_error_is_end_of_pem(end) == 1 else {
            unsafe X509_free(first)
            unsafe apus_chain_free(chain)
            throw TLSFailure("a certificate after the first is damaged", file: path)
        }
        return unsafe (first, chain)
    }

    private static func readKey(_ path: String) throws(TLSFailure) -> OpaquePointer {
        let file = try unsafe open(path)
        defer { unsafe BIO_free(file) }
        var isEncrypted = false
        let key = unsafe withUnsafeMutablePointer(to: &isEncrypted) { flag in
            // OpenSSL asks for a password only if the key is encrypted. There is none.
            unsafe PEM_read_bio_PrivateKey(
                file, nil,
                { _, _, _, flag in
                    unsafe flag!.assumingMemoryBound(to: Bool.self).pointee = true
                    return -1
                }, flag)
        }
        if let key = unsafe key { return unsafe key }
        ERR_clear_error()
        if isEncrypted {
            throw TLSFailure(
                "the key is encrypted, which isn't supported: decrypt it with `openssl pkey`",
                file: path)
        }
        throw TLSFailure(
            "no private key is in it: a PEM file has -----BEGIN PRIVATE KEY-----", file: path)
    }

    // MARK: - Contents

    private static func names(of certificate: OpaquePointer) -> [String] {
        var names: [String] = []
        if let raw = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) {
            let list = OpaquePointer(raw)
            defer { unsafe apus_names_free(list) }
            for index in 0..<(unsafe apus_names_count(list)) {
                if let name = unsafe text(of: apus_name_at(list, index)) { names.append(name) }
            }
        }
        if names.isEmpty, let name = unsafe commonName(of: certificate) { names = [name] }
        return names
    }

    private static func text(of name: UnsafeMutablePointer<GENERAL_NAME>?) -> String? {
        guard let name = unsafe name, unsafe name.pointee.type == GEN_DNS else { return nil }
        let string = unsafe name.pointee.d.dNSName
        let bytes = unsafe UnsafeBufferPointer(
            start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    private static func commonName(of certificate: OpaquePointer) -> String? {
        var text = [CChar](repeating: 0, count: 256)
        let count = unsafe X509_NAME_get_text_by_NID(
            X509_get_subject_name(certificate), NID_commonName, &text, Int32(text.count))
        guard count > 0 else { return nil }
        return String(
            decoding: text.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func validity(of certificate: OpaquePointer) -> ClosedRange<Int> {
        func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int {
            var parts = unsafe tm()
            guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
            return unsafe timegm(&parts)
        }
        let first = unsafe seconds(X509_get0_notBefore(certificate))
        return unsafe first...max(first, seconds(X509_get0_notAfter(certificate)))
    }
}
