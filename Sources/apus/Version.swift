import CBuildInfo
import CLibuv
import COpenSSL
import CZlib

/// The version of this program, and of the libraries that it was built with and runs with.
enum Version {
    /// The release, by Semantic Versioning. CHANGELOG.md has an entry for each.
    static let number = "0.3.0"

    /// The Git commit that was built; `nil` if make didn't build the program, or built it outside
    /// a Git checkout.
    static let commit: String? = {
        let commit = String(cString: apus_commit())
        return commit.isEmpty ? nil : commit
    }()

    /// The number and the commit in one line: `0.3.0 (0123456789ab)`.
    static let short = number + (commit.map { " (\($0))" } ?? "")

    /// The name and version of each library. The version is that of the library in use, except for
    /// ISA-L, whose version is known only at compile time.
    static var libraries: [(name: String, version: String)] {
        let swift = _SwiftStdlibVersion.current.description.split(separator: ".").prefix(2)
        let isal = String(cString: apus_isal_version())
        return [
            ("Swift", swift.joined(separator: ".")),
            ("libuv", String(cString: uv_version_string())),
            ("OpenSSL", String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))),
            ("zlib", String(cString: zlibVersion())),
            ("ISA-L", isal.isEmpty ? "not built in" : isal),
            ("SQLite", String(cString: apus_sqlite_version())),
        ]
    }

    /// Returns the output of `apus --version`, without the final newline.
    static func report(commit: String? = commit) -> String {
        let lines =
            [("commit", commit ?? "unknown: not built by make from a Git checkout")] + libraries
        return
            (["apus \(number)"]
            + lines.map { name, version in
                name + String(repeating: " ", count: 9 - name.count) + version
            }).joined(separator: "\n")
    }
}
