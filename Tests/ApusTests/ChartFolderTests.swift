import Foundation
import Testing

@testable import apus

@Suite("The folder of charts")
struct ChartFolderTests {
    @Test("It is created, and the check leaves nothing in it")
    func made() throws {
        let parent = NSTemporaryDirectory() + "/apus-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: parent) }
        for _ in 1...2 {
            let folder = try ChartFolder("\(parent)/charts")
            #expect(folder.path.hasSuffix("/charts"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }

    @Test("A folder that isn't writable is reported when it is opened")
    func refused() {
        let file = temporaryFile("")
        defer { try? FileManager.default.removeItem(atPath: file) }
        for path in [file, "\(file)/charts", "/proc/charts", "/proc"] {
            #expect(throws: (any Error).self, "\(path)") { try ChartFolder(path) }
        }
    }
}
