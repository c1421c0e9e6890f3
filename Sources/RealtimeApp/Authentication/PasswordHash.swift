import COpenSSL
import Foundation
import HTTPProtocol

/// The scrypt hash of a password (RFC 7914) with its salt and costs, in the PHC string format:
/// `$scrypt$ln=15,r=8,p=1$SALT$HASH`.
package struct PasswordHash: Sendable, Hashable, CustomStringConvertible {
    struct Costs: Sendable, Hashable {
        /// The binary logarithm of N, the number of rounds.
        var log2Rounds: Int
        var blockSize: Int
        var parallelism: Int

        /// The costs of new hashes: 32 MiB and about 80 ms of a core.
        static let standard = Costs(log2Rounds: 15, blockSize: 8, parallelism: 1)

        /// The memory that a hash needs, in bytes.
        var memory: Int { 128 * blockSize << log2Rounds }

        /// Whether the costs are high enough to be secure, low enough for a server that checks
        /// several passwords at once, and valid: RFC 7914 §2 requires N below 2^(128 r / 8).
        var isAcceptable: Bool {
            (10...20).contains(log2Rounds) && (1...32).contains(blockSize)
                && (1...16).contains(parallelism) && log2Rounds < 16 * blockSize
                && memory <= Self.memoryMax
        }

        static let memoryMax = 64 << 20
    }

    let costs: Costs
    let salt: [UInt8]
    let hash: [UInt8]

    /// Creates the hash of a new password with a random salt.
    package init(of password: String) throws(UsersFault) {
        try self.init(
            of: password, .standard,
            salt: (0..<16).map { _ in UInt8.random(in: 0...255) })
    }

    init(of password: String, _ costs: Costs, salt: [UInt8]) throws(UsersFault) {
        guard let hash = scrypt(Array(password.utf8), salt: salt, costs, size: 32) else {
            throw UsersFault("the password can't be hashed: no memory, or impossible costs")
        }
        self.init(costs: costs, salt: salt, hash: hash)
    }

    /// Returns a hash that no password has. Checking it takes as long as checking a user's hash.
    static func nobodys(_ costs: Costs) -> PasswordHash {
        PasswordHash(costs: costs, salt: [UInt8](repeating: 0, count: 16), hash: [])
    }

    private init(costs: Costs, salt: [UInt8], hash: [UInt8]) {
        self.costs = costs
        self.salt = salt
        self.hash = hash
    }

    /// Returns whether it is the hash of this password, in constant time. Returns false if the hash
    /// can't be computed.
    func isOf(_ password: ExactString) -> Bool {
        guard let other = scrypt(Array(password.utf8), salt: salt, costs, size: 32) else {
            return false
        }
        // Safety: both have as many bytes.
        return unsafe hash.count == other.count && CRYPTO_memcmp(hash, other, hash.count) == 0
    }

    // MARK: - As text

    /// Parses the PHC string format. Throws an error that completes a sentence.
    init(_ text: some StringProtocol) throws(UsersFault) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else {
            throw UsersFault("not $scrypt$ln=…,r=…,p=…$SALT$HASH")
        }
        var values: [Int] = []
        for (cost, name) in zip(parts[2].split(separator: ","), ["ln=", "r=", "p="]) {
            guard cost.hasPrefix(name), let value = Int(cost.dropFirst(name.count)) else { break }
            values.append(value)
        }
        guard values.count == 3, parts[2].split(separator: ",").count == 3 else {
            throw UsersFault("its costs are not ln=…,r=…,p=…")
        }
        costs = Costs(log2Rounds: values[0], blockSize: values[1], parallelism: values[2])
        guard (0...30).contains(values[0]), (0...1_024).contains(values[1]), costs.isAcceptable
        else {
            throw UsersFault(
                "its costs are out of range: ln 10 to 20 and below 16 r, r 1 to 32, p 1 to 16, "
                    + "and 64MiB together")
        }
        guard let salt = Self.decode(parts[3]), let hash = Self.decode(parts[4]),
            salt.count >= 8, hash.count == 32
        else {
            throw UsersFault("its salt has fewer than 8 bytes, or its hash does not have 32")
        }
        self.salt = salt
        self.hash = hash
    }

    package var description: String {
        let costs = "ln=\(costs.log2Rounds),r=\(costs.blockSize),p=\(costs.parallelism)"
        return "$scrypt$\(costs)$\(Self.encode(salt))$\(Self.encode(hash))"
    }

    /// Base64 without padding, as the format requires.
    private static func encode(_ bytes: [UInt8]) -> String {
        String(Data(bytes).base64EncodedString().prefix { $0 != "=" })
    }

    private static func decode(_ text: some StringProtocol) -> [UInt8]? {
        guard !text.contains("=") else { return nil }
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text + padding).map { [UInt8]($0) }
    }
}

/// Computes scrypt (RFC 7914 §6) with OpenSSL, and blocks the thread meanwhile. Returns `nil` if
/// memory is short or the costs are invalid.
func scrypt(
    _ password: [UInt8], salt: [UInt8], _ costs: PasswordHash.Costs, size: Int
) -> [UInt8]? {
    var key = [UInt8](repeating: 0, count: size)
    // OpenSSL doesn't accept a null pointer for an empty password, so the array has one more byte
    // than is counted. Safety: all arrays outlive the call, which gets their sizes.
    let code = unsafe (password + [0]).withUnsafeBufferPointer { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) {
            unsafe EVP_PBE_scrypt(
                $0.baseAddress, password.count, salt, salt.count, 1 << UInt64(costs.log2Rounds),
                UInt64(costs.blockSize), UInt64(costs.parallelism),
                // OpenSSL's default limit is less than the default costs need.
                UInt64(2 * costs.memory + (1 << 20)), &key, size)
        }
    }
    return code == 1 ? key : nil
}
