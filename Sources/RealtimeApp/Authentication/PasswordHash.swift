import COpenSSL
import Foundation
import HTTPProtocol

/// A password's scrypt hash (RFC 7914) with its salt and costs, as the PHC string format writes it:
/// `$scrypt$ln=15,r=8,p=1$SALT$HASH`.
package struct PasswordHash: Sendable, Hashable, CustomStringConvertible {
    struct Costs: Sendable, Hashable {
        /// Base-2 logarithm of the number of rounds, N.
        var log2Rounds: Int
        var blockSize: Int
        var parallelism: Int

        /// 32 MiB and some 80 ms of a core.
        static let standard = Costs(log2Rounds: 15, blockSize: 8, parallelism: 1)

        /// Bytes that are filled and read back.
        var memory: Int { 128 * blockSize << log2Rounds }

        /// Dear enough to be worth it, cheap enough for a server that checks several at once, and
        /// possible: RFC 7914 §2 has N below 2^(128 r / 8).
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

    /// The hash of a new password, with a salt of its own.
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

    /// A hash that no password has: checking it takes as long as one that somebody's has.
    static func nobodys(_ costs: Costs) -> PasswordHash {
        PasswordHash(costs: costs, salt: [UInt8](repeating: 0, count: 16), hash: [])
    }

    private init(costs: Costs, salt: [UInt8], hash: [UInt8]) {
        self.costs = costs
        self.salt = salt
        self.hash = hash
    }

    /// Whether it is of this password. Takes as long whether it is or not; where it can't be told,
    /// it isn't.
    func isOf(_ password: ExactString) -> Bool {
        guard let other = scrypt(Array(password.utf8), salt: salt, costs, size: 32) else {
            return false
        }
        // Safety: both have as many bytes.
        return unsafe hash.count == other.count && CRYPTO_memcmp(hash, other, hash.count) == 0
    }

    // MARK: - As text

    /// Reads the PHC string format; throws what is wrong with it, as a sentence's end.
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
            throw UsersFault("its salt is not of 8 bytes at least, or its hash not of 32")
        }
        self.salt = salt
        self.hash = hash
    }

    package var description: String {
        let costs = "ln=\(costs.log2Rounds),r=\(costs.blockSize),p=\(costs.parallelism)"
        return "$scrypt$\(costs)$\(Self.encode(salt))$\(Self.encode(hash))"
    }

    /// Base64 without padding, as the format wants it.
    private static func encode(_ bytes: [UInt8]) -> String {
        String(Data(bytes).base64EncodedString().prefix { $0 != "=" })
    }

    private static func decode(_ text: some StringProtocol) -> [UInt8]? {
        guard !text.contains("=") else { return nil }
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text + padding).map { [UInt8]($0) }
    }
}

/// RFC 7914 §6, by OpenSSL. Blocks the thread for as long as the costs say. `nil` where there is no
/// memory for it, or no scrypt with such costs.
func scrypt(
    _ password: [UInt8], salt: [UInt8], _ costs: PasswordHash.Costs, size: Int
) -> [UInt8]? {
    var key = [UInt8](repeating: 0, count: size)
    // A byte more than is counted: OpenSSL takes no address for no password to derive from.
    // Safety: all arrays outlive the call, which is told their sizes.
    let code = unsafe (password + [0]).withUnsafeBufferPointer { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) {
            unsafe EVP_PBE_scrypt(
                $0.baseAddress, password.count, salt, salt.count, 1 << UInt64(costs.log2Rounds),
                UInt64(costs.blockSize), UInt64(costs.parallelism),
                // Its own limit is below what the standard costs need.
                UInt64(2 * costs.memory + (1 << 20)), &key, size)
        }
    }
    return code == 1 ? key : nil
}
