import Foundation
import Testing

@testable import apus

@Suite("The folder of charts")
struct ChartFolderTests {
    @Test("it is made, and trying it leaves nothing in it")
    func made() throws {
        let parent = NSTemporaryDirectory() + "/apus-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: parent) }
        for _ in 1...2 {
            let folder = try ChartFolder("\(parent)/charts")
            #expect(folder.path.hasSuffix("/charts"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }

    @Test("one that can't be written to is told when it is opened")
    func refused() {
        let file = temporaryFile("")
        defer { try? FileManager.default.removeItem(atPath: file) }
        for path in [file, "\(file)/charts", "/proc/charts", "/proc"] {
            #expect(throws: (any Error).self, "\(path)") { try ChartFolder(path) }
        }
    }
}
