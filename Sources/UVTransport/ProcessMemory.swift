import CLibuv
import Glibc

/// Returns the resident memory of the process in bytes; `nil` if it can't be read, for example
/// because no descriptor is free.
package func residentMemory() -> Int? {
    var size = 0
    return unsafe uv_resident_set_memory(&size) == 0 ? size : nil
}

/// Gives free memory of the heap back to the system. Takes time, so it must not be called on a loop.
package func trimHeap() { malloc_trim(0) }
