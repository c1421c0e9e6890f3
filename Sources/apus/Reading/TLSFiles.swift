import ArgumentParser
import Foundation
import Logging
import WebSocketServer

extension TLSSettings {
    /// Reads the files. Returns `nil` without any.
    ///
    /// - Parameters:
    ///   - origins: The places where keys were set, for errors.
    ///   - previous: The context that the new one replaces.
    func read(
        origins: [String: Origin], replacing previous: TLSContext? = nil
    ) throws(Fault) -> TLSContext? {
        guard let certificate else {
            let others: [(String, Bool)] = [
                ("tls.key", key != nil), ("tls.certificates", !certificates.isEmpty),
                ("tls.client_ca", clientAuthority != nil),
            ]
            if let (name, _) = others.first(where: \.1) {
                throw Fault(origins, key: name, "needs a certificate: set tls.certificate")
            }
            return nil
        }
        guard let key else {
            throw Fault(origins, key: "tls.certificate", "needs its key: set tls.key")
        }
        let first = CertificateFiles(certificate: certificate, key: key)
        do {
            return try TLSContext(
                certificates: [first] + certificates,
                clientCertificates: clientAuthority.map {
                    ClientCertificates(authority: $0, isRequired: requiresClientCertificate)
                },
                minimumVersion: minimumVersion, replacing: previous)
        } catch {
            throw Fault(origins, key: name(of: error.file), "\(error)")
        }
    }

    /// Returns the key that names a file.
    func name(of file: String?) -> String {
        switch file {
        case nil: "tls"
        case certificate: "tls.certificate"
        case key: "tls.key"
        case clientAuthority: "tls.client_ca"
        default: "tls.certificates"
        }
    }
}

extension Fault {
    /// Creates an error of a key, with the place where it was set.
    init(_ origins: [String: Origin], key: String, _ problem: String) {
        if let origin = origins[key] {
            self.init(origin, key: key, problem)
        } else {
            self.init(key, problem)
        }
    }
}

/// Reads the files that the keys below `tls` name. Their errors are reported like those of keys,
/// and lead to exit status 78.
func readTLSForCommand(
    _ loaded: Loaded, log: StandardErrorLog, logger: Logger
) throws(ExitCode) -> TLSContext? {
    let settings = loaded.settings.tls
    let context: TLSContext?
    do {
        context = try settings.read(origins: loaded.origins)
    } catch {
        log.complain(ConfigurationFaults(faults: [error]).description + "\n")
        throw ExitCode(78)
    }
    settings.logWarnings(of: context, logger)
    return context
}

extension TLSSettings {
    /// Logs a warning for each certificate that isn't valid now.
    func logWarnings(of context: TLSContext?, _ logger: Logger) {
        for warning in context?.warnings(at: Int(Date().timeIntervalSince1970)) ?? [] {
            logger.warning(
                "\(name(of: warning.file)): the certificate \(warning.problem)",
                metadata: ["file": "\(warning.file ?? "")"])
        }
    }
}
