/// The choice of a certificate by the name that a client asks for (RFC 6066 §3).
///
/// A peer chooses the name, so it is bytes.
struct CertificateNames: Sendable {
    private var exact: [[UInt8]: Int] = [:]
    /// The names of wildcards without their first label: `.example.com`.
    private var wildcards: [[UInt8]: Int] = [:]

    /// Adds a name of a certificate. The first certificate with a name keeps it.
    mutating func add(_ name: String, for index: Int) {
        let bytes = Self.lowercase(name.utf8)
        if bytes.starts(with: "*.".utf8) {
            let rest = Array(bytes.dropFirst())
            if wildcards[rest] == nil { wildcards[rest] = index }
        } else if exact[bytes] == nil {
            exact[bytes] = index
        }
    }

    /// Returns the certificate for a name: that with the very name, or one with a wildcard for its
    /// first label (RFC 9525 §6.3); `nil` if there is none.
    func find(_ name: some Sequence<UInt8>) -> Int? {
        let bytes = Self.lowercase(name)
        if let index = exact[bytes] { return index }
        guard let dot = bytes.firstIndex(of: 0x2E), dot > 0 else { return nil }
        return wildcards[Array(bytes[dot...])]
    }

    private static func lowercase(_ name: some Sequence<UInt8>) -> [UInt8] {
        name.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
    }
}
