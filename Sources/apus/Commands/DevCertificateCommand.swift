import ArgumentParser
import Foundation
import Glibc
import TLSFilter

/// `apus dev-certificate`: makes a certificate for trying TLS.
struct DevCertificateCommand: ParsableCommand {
    private static let days = 30

    static let configuration = CommandConfiguration(
        commandName: "dev-certificate",
        abstract: "Make a certificate for tests of TLS.",
        discussion: """
            Writes certificate.pem and key.pem: a certificate that its own key has signed, valid \
            for \(days) days. Clients must be told to trust it. A server for others needs a \
            certificate of an authority.

            EXAMPLES:
              apus dev-certificate --out tls
              apus serve --set tls.certificate=tls/certificate.pem --set tls.key=tls/key.pem
              apus dev-certificate --out tls --name chat.localhost --name 127.0.0.1
            """)

    @Option(help: ArgumentHelp("The folder for both files.", valueName: "folder"))
    var out = "."

    @Option(
        name: .customLong("name"), parsing: .singleValue,
        help: ArgumentHelp(
            """
            A host name or IP address of the server; may be repeated (default: localhost, \
            127.0.0.1 and ::1).
            """, valueName: "host"))
    var names: [String] = []

    @Flag(help: "Replace the files if they exist.")
    var force = false

    func validate() throws {
        // In the certificate, names are a list.
        guard names.allSatisfy({ !$0.isEmpty && !$0.contains { ",\n ".contains($0) } })
        else { throw ValidationError("--name must be a host name or an IP address.") }
    }

    func run() throws {
        let names = self.names.isEmpty ? ["localhost", "127.0.0.1", "::1"] : self.names
        let made: SelfSignedCertificate
        do {
            made = try SelfSignedCertificate(names: names, days: Self.days)
        } catch {
            throw complaint("\(error)")
        }
        let folder = URL(fileURLWithPath: out)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw complaint("\(out) can't be made a folder")
        }
        let certificate = folder.appending(path: "certificate.pem").path
        let key = folder.appending(path: "key.pem").path
        if !force, let old = [key, certificate].first(where: FileManager.default.fileExists) {
            throw complaint("\(old) exists already: choose another folder, or use --force")
        }
        try write(made.key, to: key, mode: 0o600)
        try write(made.certificate, to: certificate, mode: 0o644)
        print(
            """
            A certificate for \(names.joined(separator: ", ")), valid for \(Self.days) days. Add \
            this to the configuration:

            tls:
              certificate: \(certificate)
              key: \(key)

            Clients must trust it:
              curl --cacert \(certificate) https://\(names[0]):8080/healthz
              SSL_CERT_FILE=\(certificate) apus connect wss://\(names[0]):8080/ws
              browsers: open https://\(names[0]):8080/ and accept the warning, or import the file
            """)
    }

    /// Replaces a file. No one else can read a key in the meantime.
    private func write(_ text: String, to path: String, mode: mode_t) throws {
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw complaint("\(path) can't be written: \(String(cString: strerror(errno)))")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: Data(text.utf8))
        } catch {
            throw complaint("\(path) can't be written: \(error)")
        }
    }
}
