import Testing

@testable import apus

@Suite("The version")
struct VersionTests {
    @Test("the report has the number, the commit and each library, a line each")
    func report() {
        let lines = Version.report(commit: "0123456789ab").split(separator: "\n")
        #expect(lines.first == "apus \(Version.number)")
        #expect(lines.dropFirst().first == "commit   0123456789ab")
        #expect(
            lines.dropFirst(2).map { $0.prefix { $0 != " " } }
                == ["Swift", "libuv", "OpenSSL", "zlib", "ISA-L", "SQLite"])
    }

    @Test("libraries have versions of numbers and dots")
    func libraries() {
        for (name, version) in Version.libraries {
            #expect(version.contains(/^\d+\.\d+(\.\d+)*$/), "\(name): \(version)")
        }
    }

    @Test("a build without make says that it doesn't know its commit")
    func unknownCommit() {
        #expect(
            Version.report(commit: nil)
                .contains("commit   unknown: not built by make from a Git checkout\n"))
    }
}
