import Foundation
import WebSocketServer

/// The settings of TLS; empty ones are plain TCP.
struct TLSSettings: Sendable {
    var certificate: String?
    var key: String?
    /// Further certificates.
    var certificates: [CertificateFiles] = []
    /// The file of the authorities that issue clients' certificates.
    var clientAuthority: String?
    var requiresClientCertificate = true
    var minimumVersion = TLSVersion.tls12
}

/// The keys of TLS.
extension Schema {
    static let tls: [Key] = [
        Key(
            "tls.certificate", OptionalText.path, \.tls.certificate,
            """
            The PEM file with the server's certificate, followed by the authorities that issued \
            it. With it, the server speaks TLS.
            """),
        Key(
            "tls.key", OptionalText.path, \.tls.key,
            "The PEM file with the private key of `tls.certificate`. It must not be encrypted."),
        Key(
            "tls.certificates", CertificateList(), \.tls.certificates,
            """
            Certificates for further host names, with their keys: a.pem=a.key, b.pem=b.key. \
            Clients that name no host, or an unknown one, get `tls.certificate`.
            """),
        Key(
            "tls.client_ca", OptionalText.path, \.tls.clientAuthority,
            "The PEM file with the authorities whose certificates clients must have."),
        Key(
            "tls.client_auth", Choice([("required", true), ("optional", false)]),
            \.tls.requiresClientCertificate,
            """
            With `tls.client_ca`, whether clients without a certificate are refused: `optional` \
            refuses only invalid ones.
            """),
        Key(
            "tls.min_version", Choice([("1.2", .tls12), ("1.3", .tls13)]), \.tls.minimumVersion,
            "The lowest version of TLS."),
    ]
}

/// Pairs of files with a certificate and its key, separated by commas.
struct CertificateList: ListKind {
    let accepted = "a list of CERTIFICATE=KEY, or empty (none)"

    func parse(_ text: String) throws(Rejection) -> [CertificateFiles] {
        if text.isEmpty { return [] }
        var files: [CertificateFiles] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else {
                throw Rejection(problem: "not CERTIFICATE=KEY, as a.pem=a.key")
            }
            files.append(CertificateFiles(certificate: sides[0], key: sides[1]))
        }
        return files
    }

    func write(_ value: [CertificateFiles]) -> String {
        value.map { "\($0.certificate)=\($0.key)" }.joined(separator: ", ")
    }
}
