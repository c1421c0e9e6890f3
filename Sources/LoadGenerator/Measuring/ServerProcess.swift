import Glibc

/// The server's processes as the kernel shows them below `/proc`: CPU time and memory.
package struct ServerProcess: Sendable {
    package let identifiers: [Int32]

    package init?(_ identifiers: [Int32]) {
        guard !identifiers.isEmpty else { return nil }
        self.identifiers = identifiers
    }

    /// The CPU time used so far.
    package struct Usage: Sendable {
        /// The nanoseconds of all threads.
        package var total: UInt64 = 0
        /// The clock ticks in user mode.
        package var userTicks = 0
        package var systemTicks = 0
        /// The nanoseconds of each thread.
        package var threads: [Int32: UInt64] = [:]
    }

    package func usage() -> Usage {
        var usage = Usage()
        for process in identifiers {
            if let fields = Self.statistics(process) {
                usage.userTicks += fields.user
                usage.systemTicks += fields.system
            }
            for thread in ProcFile.numbers(in: "/proc/\(process)/task") {
                let text = ProcFile.read("/proc/\(process)/task/\(thread)/schedstat")
                let nanoseconds = text?.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
                usage.threads[thread] = nanoseconds
                usage.total += nanoseconds
            }
        }
        if usage.total == 0 {
            // This kernel has no scheduler statistics.
            let tick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
            usage.total = UInt64(usage.userTicks + usage.systemTicks) * tick
        }
        return usage
    }

    /// The memory in bytes.
    package struct Memory: Sendable, Equatable {
        package var resident: Int
        /// The resident memory that no file backs: heaps and stacks. `nil` if the kernel doesn't
        /// show it, for example for processes of other users.
        package var own: Int?

        package init(resident: Int, own: Int?) {
            self.resident = resident
            self.own = own
        }
    }

    /// Returns the memory of all processes together.
    package func memory() -> Memory {
        var sum = Memory(resident: 0, own: 0)
        for process in identifiers {
            let part = Self.memory(process)
            sum.resident += part.resident
            sum.own = part.own.flatMap { own in sum.own.map { $0 + own } }
        }
        return sum
    }

    private static func memory(_ process: Int32) -> Memory {
        let detail = ProcFile.read("/proc/\(process)/smaps_rollup").flatMap(memory)
        if let detail { return detail }
        let page = sysconf(Int32(_SC_PAGESIZE))
        let fields = ProcFile.read("/proc/\(process)/statm")?.split(separator: " ")
        let pages = fields.flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0
        return Memory(resident: pages * page, own: nil)
    }

    /// Parses text in the format of `/proc/PID/smaps_rollup`. Returns `nil` if it lacks the
    /// resident size.
    static func memory(_ text: String) -> Memory? {
        var kibibytes: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count == 3, fields[2] == "kB" { kibibytes[fields[0]] = Int(fields[1]) }
        }
        guard let resident = kibibytes["Rss:"] else { return nil }
        return Memory(resident: resident << 10, own: kibibytes["Anonymous:"].map { $0 << 10 })
    }

    private static func statistics(_ process: Int32) -> (user: Int, system: Int)? {
        // The second field is the command in parentheses, which may contain any characters.
        guard let text = ProcFile.read("/proc/\(process)/stat"),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else {
            return nil
        }
        return (user, system)
    }

    // MARK: - Finding it

    /// Returns the visible processes that listen on a TCP port of this machine.
    package static func listening(onPort port: Int) -> [Int32] {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap(ProcFile.read)
        let inodes = Set(tables.flatMap { listeningInodes($0, port: port) })
        guard !inodes.isEmpty else { return [] }
        let names = Set(inodes.map { "socket:[\($0)]" })
        return ProcFile.numbers(in: "/proc").filter { process in
            ProcFile.numbers(in: "/proc/\(process)/fd").contains {
                ProcFile.link("/proc/\(process)/fd/\($0)").map(names.contains) ?? false
            }
        }
    }

    /// Returns the inodes of the sockets that listen on a port, from a table in the format of
    /// `/proc/net/tcp`.
    static func listeningInodes(_ table: String, port: Int) -> [String] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            // 0A is TCP_LISTEN.
            guard fields.count > 9, fields[3] == "0A",
                let digits = fields[1].split(separator: ":").last,
                Int(digits, radix: 16) == port
            else { return nil }
            return String(fields[9])
        }
    }
}

/// Files below `/proc`, each of which is read as a whole.
enum ProcFile {
    static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer.prefix(count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns the names in a folder that are numbers.
    static func numbers(in folder: String) -> [Int32] {
        guard let stream = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(stream) }
        var numbers: [Int32] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
                unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers.sorted()
    }

    static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = unsafe readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
