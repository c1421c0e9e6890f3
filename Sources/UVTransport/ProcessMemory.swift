import CLibuv
import Glibc

/// Returns the resident memory of the process in bytes; `nil` if it can't be read, for example
/// because no descriptor is free.
package func residentMemory() -> Int? {
    var size = 0
    return unsafe uv_resident_set_memory(&size) == 0 ? size : nil
}

/// Returns the memory that the process may use: that of the machine, or the limit of its control
/// group if that is lower. Reads files, so it must not be called on a loop.
package func availableMemory() -> Int {
    ([Int(clamping: uv_get_total_memory())] + controlGroupLimits()).filter { $0 > 0 }.min() ?? .max
}

/// Returns the memory limits of the control group and of those above it, versions 2 and 1.
private func controlGroupLimits() -> [Int] {
    var files = ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    // A line of version 2 is `0::/path`. In a container, the path is often `/`.
    for line in (smallFile("/proc/self/cgroup") ?? "").split(separator: "\n")
    where line.hasPrefix("0::/") {
        var path = line.dropFirst(3)
        while true {
            files.append("/sys/fs/cgroup\(path == "/" ? "" : path)/memory.max")
            guard path != "/", let slash = path.lastIndex(of: "/") else { break }
            path = slash == path.startIndex ? "/" : path[..<slash]
        }
    }
    // `max` means that there is no limit.
    return files.compactMap { smallFile($0) }.compactMap { Int($0.prefix { $0.isNumber }) }
}

/// Returns the first 4 KiB of a file as text; `nil` if it can't be read.
private func smallFile(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = unsafe bytes.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress!, $0.count)
    }
    return count >= 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
}

/// Gives free memory of the heap back to the system. Takes time, so it must not be called on a loop.
package func trimHeap() { malloc_trim(0) }
