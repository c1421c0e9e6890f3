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
    let slash = UInt8(ascii: "/")
    // A line of version 2 is `0::/path`. In a container, the path is often `/`.
    let prefix = Array("0::/".utf8)
    for line in smallFile("/proc/self/cgroup").split(separator: UInt8(ascii: "\n"))
    where line.starts(with: prefix) {
        var names = line.dropFirst(prefix.count).split(separator: slash)[...]
        while true {
            let folder = names.map { String(decoding: $0, as: UTF8.self) + "/" }.joined()
            files.append("/sys/fs/cgroup/\(folder)memory.max")
            if names.popLast() == nil { break }
        }
    }
    // `max` means that there is no limit.
    return files.compactMap { file in
        let digits = smallFile(file).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}

/// Returns the first 4 KiB of a file; nothing if it can't be read.
private func smallFile(_ path: String) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = unsafe bytes.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress!, $0.count)
    }
    return Array(bytes.prefix(max(0, count)))
}

/// Gives free memory of the heap back to the system. Takes time, so it must not be called on a loop.
package func trimHeap() { malloc_trim(0) }
