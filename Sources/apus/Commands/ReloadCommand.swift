import ArgumentParser
import Foundation

/// `apus reload`: has a running server read its configuration again.
struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have a running server read its configuration again.",
        discussion: """
            Sends SIGHUP to the process of a server. It reads its file, and the files of \
            certificates, keys and users, again. Its log says which keys have changed, and which \
            of them need a restart. If the configuration has an error, nothing changes.

            EXAMPLES:
              apus config check --config apus.yaml && apus reload --pid $(pidof apus)
            """)

    @Option(help: ArgumentHelp("The process id of the server.", valueName: "n"))
    var pid: Int32

    func validate() throws {
        // Zero and negative numbers stand for groups of processes.
        guard pid > 0 else { throw ValidationError("--pid must be the id of one process.") }
    }

    func run() async throws {
        // Any other process would be ended by the signal.
        if let handlesSignal, !handlesSignal {
            throw complaint("process \(pid) isn't a server that can reload: check --pid")
        }
        guard kill(pid, SIGHUP) != 0 else { return }
        let advice =
            errno == ESRCH
            ? "no process has this id" : "this user may not send it signals"
        throw complaint("can't reload process \(pid): \(advice)")
    }

    /// Whether the process ignores or handles SIGHUP; `nil` if that can't be found out.
    private var handlesSignal: Bool? {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        else { return nil }
        let masks = status.split(separator: "\n").compactMap { line -> UInt64? in
            let words = line.split(separator: "\t")
            guard words.count == 2, ["SigBlk:", "SigIgn:", "SigCgt:"].contains(words[0]) else {
                return nil
            }
            return UInt64(words[1], radix: 16)
        }
        return masks.contains { $0 & 1 << (SIGHUP - 1) != 0 }
    }
}
