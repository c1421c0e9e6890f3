import Foundation
import Testing
import UVTransport

/// The limits of control groups, read from files as kernels and container engines write them.
struct ControlGroupTests {
    /// A machine's files, by their path.
    private static func group(_ files: [String: String]) throws -> (ControlGroup, URL) {
        let root = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-cgroup-\(UUID().uuidString)")
        for (path, text) in files {
            let file = root.appendingPathComponent(path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        return (ControlGroup(root: root.path), root)
    }

    struct Machine: CustomTestStringConvertible {
        let testDescription: String
        let files: [String: String]
        let memory: Int?
        let cores: Int?
    }

    static let gibibyte = 1 << 30

    static let machines = [
        Machine(testDescription: "no control groups", files: [:], memory: nil, cores: nil),
        Machine(
            testDescription: "version 2, in a container",
            files: [
                "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
                "sys/fs/cgroup/cpu.max": "150000 100000\n",
            ], memory: gibibyte, cores: 2),
        Machine(
            testDescription: "version 2 without limits",
            files: [
                "proc/self/cgroup": "0::/system.slice/apus.service\n",
                "sys/fs/cgroup/system.slice/apus.service/memory.max": "max\n",
                "sys/fs/cgroup/system.slice/apus.service/cpu.max": "max 100000\n",
            ], memory: nil, cores: nil),
        Machine(
            testDescription: "version 2, limits of the groups above",
            files: [
                "proc/self/cgroup": "0::/a/b/c\n", "sys/fs/cgroup/a/memory.max": "1073741824\n",
                "sys/fs/cgroup/a/b/memory.max": "2147483648\n",
                "sys/fs/cgroup/a/b/c/memory.max": "max\n",
                "sys/fs/cgroup/a/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/a/b/c/cpu.max": "300000 100000\n",
            ], memory: gibibyte, cores: 1),
        Machine(
            testDescription: "version 2, a group outside of the container",
            files: [
                "proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/memory.max": "1073741824\n",
                "sys/fs/cgroup/cpu.max": "300000 100000\n",
            ], memory: gibibyte, cores: 3),
        Machine(
            testDescription: "version 1, in a container that shows the host's paths",
            files: [
                "proc/self/cgroup": """
                12:pids:/docker/4711
                4:cpu,cpuacct:/docker/4711
                3:memory:/docker/4711
                1:name=systemd:/docker/4711

                """,
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            ], memory: gibibyte, cores: 3),
        Machine(
            testDescription: "version 1, in a slice of the machine",
            files: [
                "proc/self/cgroup": "4:cpuacct,cpu:/system.slice/x\n3:memory:/system.slice/x\n",
                // As the kernel writes that there is none.
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/system.slice/x/memory.limit_in_bytes": "1073741824\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/system.slice/x/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/system.slice/x/cpu.cfs_period_us": "100000\n",
            ], memory: gibibyte, cores: 1),
        Machine(
            testDescription: "version 1 without limits",
            files: [
                "proc/self/cgroup": "4:cpu,cpuacct:/\n3:memory:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            ], memory: nil, cores: nil),
        Machine(
            testDescription: "both versions, each with one of the controllers",
            files: [
                "proc/self/cgroup": "3:memory:/x\n0::/y\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824\n",
                "sys/fs/cgroup/unified/y/cpu.max": "200000 100000\n",
            ], memory: gibibyte, cores: 2),
        Machine(
            testDescription: "files that are no numbers",
            files: [
                "proc/self/cgroup": "nonsense\n0::\n:::::\n", "sys/fs/cgroup/memory.max": "",
                "sys/fs/cgroup/cpu.max": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "0\n",
            ], memory: nil, cores: nil),
    ]

    @Test("Limits are read from the files of both versions", arguments: machines)
    func limits(machine: Machine) throws {
        let (group, root) = try Self.group(machine.files)
        defer { try? FileManager.default.removeItem(at: root) }
        #expect(group.memoryLimit == machine.memory)
        #expect(group.coreLimit == machine.cores)
    }

    @Test("This process has a core and memory")
    func thisProcess() {
        #expect(availableParallelism() >= 1)
        #expect(availableMemory() > 1 << 20)
    }
}
