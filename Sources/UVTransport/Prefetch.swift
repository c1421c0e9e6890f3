public import CLibuv

/// Has the processor fetch the first bytes of what is about to be used, so that it needn't wait for
/// memory then. Any address will do: nothing is read for the program.
@inlinable @inline(__always)
public func prefetch(_ memory: UnsafeRawPointer, count: Int) {
    var offset = 0
    while offset < count {
        unsafe apus_prefetch(memory + offset)
        offset &+= 64
    }
}
