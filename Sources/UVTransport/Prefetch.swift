public import CLibuv

/// Makes the processor fetch memory that is about to be used, so that it doesn't have to wait for
/// it then. Any address is allowed: the program reads nothing.
@inlinable @inline(__always)
package func prefetch(_ memory: UnsafeRawPointer, count: Int) {
    var offset = 0
    while offset < count {
        unsafe apus_prefetch(memory + offset)
        offset &+= 64
    }
}
