import Foundation
import HTTPProtocol

/// The text of a users file: a line `NAME:HASH` for each user. Comments are kept.
package struct UsersFile: Sendable {
    /// The most bytes of a name.
    static let nameSizeMax = 64

    struct User: Hashable, Sendable {
        /// The name as spelled in the file.
        let name: String
        let hash: PasswordHash
    }

    private var lines: [String] = []
    private(set) var users: [UserName: User] = [:]

    package init() {}

    /// Parses the text of a file. Throws the error and its line.
    package init(_ text: String) throws(UsersFault) {
        lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .map(String.init)
        if lines.last == "" { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            guard let (name, hash) = Self.parts(of: line) else { continue }
            do throws(UsersFault) {
                guard let hash else { throw UsersFault("not NAME:HASH") }
                try Self.check(name: name)
                let user = User(name: name, hash: try PasswordHash(hash))
                guard users.updateValue(user, forKey: UserName(name)) == nil else {
                    throw UsersFault("\(name) occurs twice")
                }
            } catch {
                throw UsersFault(error.problem, line: index + 1)
            }
        }
    }

    /// Parses a line. Returns `nil` for a comment or an empty line.
    private static func parts(of line: String) -> (name: String, hash: Substring?)? {
        let line = line.trimmingCharacters(in: .whitespaces)
        if line.isEmpty || line.hasPrefix("#") { return nil }
        let colon = line.firstIndex(of: ":")
        return (
            String(line[..<(colon ?? line.endIndex)]), colon.map { line[line.index(after: $0)...] }
        )
    }

    package static func check(name: String) throws(UsersFault) {
        let isClean = name.unicodeScalars.allSatisfy {
            !$0.properties.isWhitespace && $0.properties.generalCategory != .control
        }
        guard isClean, !name.contains(":"), !name.hasPrefix("#"), !name.isEmpty,
            name.utf8.count <= nameSizeMax
        else {
            throw UsersFault(
                "a name has 1 to \(nameSizeMax) bytes without spaces and colons, and no # first")
        }
    }

    /// Returns the name of the user with this name and password, as spelled in the file, or `nil`.
    ///
    /// A hash is computed at each of the costs in the file, whatever the name. So the time reveals
    /// neither which users exist nor the costs of a user's hash.
    func user(named name: UserName, password: ExactString) -> String? {
        let known = users[name]
        var isRight = false
        for costs in Set(users.values.map(\.hash.costs)).union(users.isEmpty ? [.standard] : []) {
            let own = known.flatMap { $0.hash.costs == costs ? $0.hash : nil }
            if (own ?? .nobodys(costs)).isOf(password) { isRight = true }
        }
        return isRight ? known?.name : nil
    }

    /// The names as spelled in the file, in order.
    package var names: [String] { users.values.map(\.name).sorted() }

    // MARK: - Changes

    /// Adds a user, or changes the password of an existing one. Returns true if the user existed.
    package mutating func set(_ name: String, _ hash: PasswordHash) throws(UsersFault) -> Bool {
        try Self.check(name: name)
        let line = "\(name):\(hash)"
        let user = UserName(name)
        let index = lines.firstIndex { Self.userName(of: $0) == user }
        if let index { lines[index] = line } else { lines.append(line) }
        users[user] = User(name: name, hash: hash)
        return index != nil
    }

    /// Removes a user. Returns false if there was none.
    package mutating func remove(_ name: String) -> Bool {
        let user = UserName(name)
        lines.removeAll { Self.userName(of: $0) == user }
        return users.removeValue(forKey: user) != nil
    }

    private static func userName(of line: String) -> UserName? {
        parts(of: line).map { UserName($0.name) }
    }

    package var text: String { lines.map { $0 + "\n" }.joined() }
}

/// The key under which a name is looked up: the same for all spellings of its accents (RFC 8265
/// §3.4).
struct UserName: Hashable, Sendable {
    /// The most bytes of a name that is normalized: more than any spelling of the longest name in a
    /// file. Normalization may take time that grows with the square of the size, and anyone may try
    /// to sign in.
    private static let sizeMax = 8 * UsersFile.nameSizeMax

    /// The name in Unicode's normal form C. Longer names, which no user has, stay unchanged.
    let normalized: ExactString

    init(_ name: ExactString) {
        normalized =
            name.utf8.count <= Self.sizeMax
            ? ExactString(name.string.precomposedStringWithCanonicalMapping) : name
    }

    init(_ name: String) { self.init(ExactString(name)) }
}

/// An error in a users file, a name or a hash.
package struct UsersFault: Error, Hashable, CustomStringConvertible {
    package let problem: String
    package let line: Int?

    init(_ problem: String, line: Int? = nil) {
        self.problem = problem
        self.line = line
    }

    package var description: String { line.map { "line \($0): \(problem)" } ?? problem }
}
