import CLibuv
import Glibc

/// The control group of this process: the limits that a container, or a service manager, sets.
///
/// Both versions of control groups are read, also where a machine has some controllers of each. The
/// limits of the groups above count, too. Reads files, so it must not be used on a loop.
package struct ControlGroup: Sendable {
    /// The folder that stands for `/`; tests have their own.
    private let root: String

    package init(root: String = "") { self.root = root }

    /// The memory that the group may use, in bytes; `nil` if it has no limit.
    package var memoryLimit: Int? {
        let unified = folders(of: "").compactMap { number(in: "\($0)/memory.max") }
        let legacy = folders(of: "memory").compactMap { number(in: "\($0)/memory.limit_in_bytes") }
        return (unified + legacy).filter { $0 > 0 }.min()
    }

    /// The cores that the group may use, rounded up to a whole number; `nil` if it has no limit.
    package var coreLimit: Int? {
        let unified = folders(of: "").compactMap { folder -> Int? in
            // `200000 100000`: microseconds of time in each period; the first may be `max`.
            let words = smallFile("\(folder)/cpu.max").split(separator: UInt8(ascii: " "))
            guard words.count == 2 else { return nil }
            return cores(quota: leadingNumber(words[0]), period: leadingNumber(words[1]))
        }
        let legacy = folders(of: "cpu").compactMap { folder in
            // The quota is -1 if there is no limit.
            cores(
                quota: number(in: "\(folder)/cpu.cfs_quota_us"),
                period: number(in: "\(folder)/cpu.cfs_period_us"))
        }
        return (unified + legacy).min()
    }

    private func cores(quota: Int?, period: Int?) -> Int? {
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return max(1, quota / period + (quota % period > 0 ? 1 : 0))
    }

    /// Returns the folders of the group and of those above it, for a controller of version 1, or
    /// for version 2 if the controller is empty.
    private func folders(of controller: String) -> [String] {
        // Where both versions are mounted, version 2 is in a folder of its own.
        let mounts =
            controller.isEmpty
            ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/\(controller)"]
        // In a container, the group may be the root of the mount, whatever its path is.
        var paths = [""]
        let separator = UInt8(ascii: ":")
        for line in smallFile("/proc/self/cgroup").split(separator: UInt8(ascii: "\n")) {
            // `0::/path` is of version 2, and `4:cpu,cpuacct:/path` of version 1.
            let fields = line.split(
                separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, controllers(in: fields[1]).contains(controller) else {
                continue
            }
            var names = fields[2].split(separator: UInt8(ascii: "/"))[...]
            // The group lies outside of what this process can see.
            if names.first?.elementsEqual("..".utf8) == true { continue }
            while !names.isEmpty {
                paths.append(names.map { "/" + String(decoding: $0, as: UTF8.self) }.joined())
                names.removeLast()
            }
        }
        return mounts.flatMap { mount in paths.map { mount + $0 } }
    }

    private func controllers(in field: ArraySlice<UInt8>) -> [String] {
        field.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private func number(in file: String) -> Int? { leadingNumber(smallFile(file)[...]) }

    /// Returns the number at the beginning of a text; `nil` for `max`, -1 and what is no number.
    private func leadingNumber(_ text: ArraySlice<UInt8>) -> Int? {
        let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Returns the first 4 KiB of a file; nothing if it can't be read.
    private func smallFile(_ path: String) -> [UInt8] {
        let descriptor = unsafe open(root + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        // Safety: at most as many bytes are read as the array has.
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe read(descriptor, $0.baseAddress!, $0.count)
        }
        return Array(bytes.prefix(max(0, count)))
    }
}

/// Returns the memory that the process may use: that of the machine, or the limit of its control
/// group if that is lower. Reads files, so it must not be called on a loop.
package func availableMemory() -> Int {
    let machine = Int(clamping: uv_get_total_memory())
    return [machine, ControlGroup().memoryLimit ?? .max].filter { $0 > 0 }.min() ?? .max
}

/// Returns the number of cores that this process may use, by its affinity mask and by the limit of
/// its control group. Reads files, so it must not be called on a loop.
package func availableParallelism() -> Int {
    min(Int(uv_available_parallelism()), ControlGroup().coreLimit ?? .max)
}
