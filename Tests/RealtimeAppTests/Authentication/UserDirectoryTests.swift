import Foundation
import Logging
import Synchronization
import Testing
import UVTransport
import LiveTesting

@testable import RealtimeApp

/// When the users file is read again.
@Suite struct UserDirectoryTests {
    private static let hash = try! PasswordHash(
        of: "x", .init(log2Rounds: 10, blockSize: 8, parallelism: 1),
        salt: [UInt8](repeating: 1, count: 16))

    private func text(_ names: String...) -> String {
        names.map { "\($0):\(Self.hash)\n" }.joined()
    }

    private func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    private func names(_ directory: UserDirectory) -> [String] {
        directory.file.names
    }

    @Test("A mounted Secret that is replaced by a link above the file is noticed")
    func mountedSecret() throws {
        try withTemporaryFolder { folder in
            // The layout of the kubelet: users -> ..data/users, ..data -> ..VERSION.
            let files = FileManager.default
            func publish(_ version: String, _ text: String) throws {
                try files.createDirectory(
                    atPath: "\(folder)/..\(version)", withIntermediateDirectories: false)
                try write(text, to: "\(folder)/..\(version)/users")
                let link = "\(folder)/..data_tmp"
                try files.createSymbolicLink(
                    atPath: link, withDestinationPath: "..\(version)")
                #expect(rename(link, "\(folder)/..data") == 0)
            }
            try publish("one", text("ada", "eve"))
            try files.createSymbolicLink(
                atPath: "\(folder)/users", withDestinationPath: "..data/users")
            let directory = try UserDirectory(path: "\(folder)/users", logger: .silent)
            #expect(names(directory) == ["ada", "eve"])
            // With the same size and modification time.
            try publish("two", text("ada", "bob"))
            try copyTimes(from: "\(folder)/..one/users", to: "\(folder)/..two/users")
            #expect(names(directory) == ["ada", "bob"])
            try publish("three", text("ada"))
            try files.removeItem(atPath: "\(folder)/..one")
            #expect(names(directory) == ["ada"])
        }
    }

    @Test("The link to the file may itself be replaced, or consist of several steps")
    func links() throws {
        try withTemporaryFolder { folder in
            try write(text("ada"), to: "\(folder)/one")
            try write(text("bob"), to: "\(folder)/two")
            #expect(symlink("one", "\(folder)/middle") == 0)
            #expect(symlink("middle", "\(folder)/users") == 0)
            let directory = try UserDirectory(path: "\(folder)/users", logger: .silent)
            #expect(names(directory) == ["ada"])
            #expect(symlink("two", "\(folder)/new") == 0)
            #expect(rename("\(folder)/new", "\(folder)/middle") == 0)
            #expect(names(directory) == ["bob"])
        }
    }

    @Test("Changes within one tick of the file system's clock are all noticed")
    func quickChanges() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/users"
            try write(text("user0"), to: path)
            let directory = try UserDirectory(path: path, logger: .silent)
            let descriptor = open(path, O_WRONLY)
            defer { close(descriptor) }
            for round in 1...200 {
                // In place, with the same size.
                let bytes = Array(text("user\(round % 10)").utf8)
                #expect(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
                try #require(names(directory) == ["user\(round % 10)"])
            }
        }
    }

    @Test("Right after a change the file is read again, whatever its times are")
    func unsettled() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/users"
            try write(text("ada"), to: path)
            // Modification times can be set, so they don't show when a file was changed.
            try copyTimes(from: #filePath, to: path)
            let status = try #require(FileStatus(path))
            #expect(status.settledStamp == nil)
            // An older file.
            let program = try #require(FileStatus("/bin/sh"))
            #expect(program.settledStamp == program.stamp)
        }
    }

    @Test("A change that keeps the size and the modification time is noticed")
    func keptTime() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/users"
            try write(text("ada"), to: path)
            let before = try #require(FileStatus(path)?.stamp)
            try write(text("ada"), to: "\(folder)/times")
            try copyTimes(from: path, to: "\(folder)/times")
            try write(text("bob"), to: path)
            try copyTimes(from: "\(folder)/times", to: path)
            #expect(FileStatus(path)?.stamp != before)
        }
    }

    @Test("After a failure the file is read again, even if it hasn't changed")
    func failureOnce() async {
        // These limits apply to the whole process.
        await #expect(processExitsWith: .success) {
            try withTemporaryFolder { folder in
                let (path, log) = ("\(folder)/users", LogRecorder())
                try "ada:\(UserDirectoryTests.hash)\neve:\(UserDirectoryTests.hash)\n"
                    .write(toFile: path, atomically: false, encoding: .utf8)
                let directory = try UserDirectory(path: path, logger: log.logger)
                let new = "ada:\(UserDirectoryTests.hash)\n"
                try new.write(toFile: path, atomically: true, encoding: .utf8)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                let enough = limit.rlim_cur
                limit.rlim_cur = 3
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                for _ in 1...3 {
                    precondition(directory.file.names == ["ada", "eve"])
                }
                limit.rlim_cur = enough
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                precondition(directory.file.names == ["ada"])
                // One log line for all three, which says that the previous content applies.
                let lines = log.lines(with: "error the users file can't be used")
                precondition(lines.count == 1 && lines[0].contains("Too many open files"))
            }
        }
    }

    @Test("A file that disappears and comes back unchanged is used again")
    func comesBack() throws {
        try withTemporaryFolder { folder in
            let (path, log) = ("\(folder)/users", LogRecorder())
            try write(text("ada"), to: path)
            let directory = try UserDirectory(path: path, logger: log.logger)
            #expect(rename(path, "\(path).away") == 0)
            #expect(names(directory) == ["ada"])
            #expect(log.lines(with: "error ").count == 1)
            #expect(rename("\(path).away", path) == 0)
            #expect(names(directory) == ["ada"])
            // The content is unchanged, so nothing is logged.
            #expect(log.lines(with: "users read again") == [])
            try write(text("bob"), to: path)
            #expect(names(directory) == ["bob"])
            #expect(log.lines(with: "users read again").count == 1)
        }
    }
}

/// Runs `body` with a folder of its own.
private func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "/apus-users-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

private func copyTimes(from source: String, to target: String) throws {
    var status = stat()
    #expect(stat(source, &status) == 0)
    let times = [status.st_atim, status.st_mtim]
    #expect(utimensat(AT_FDCWD, target, times, 0) == 0)
}
