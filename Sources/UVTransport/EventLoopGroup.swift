import CLibuv
import Glibc

/// The loops of a process or a server, started and stopped together.
package final class EventLoopGroup: Sendable {
    package let loops: [EventLoop]

    /// Makes and starts `count` loops, `1...`, each with a thread.
    ///
    /// - Parameter isManual: Whether the loops' clocks stand still until a test moves them.
    package init(count: Int, isManual: Bool = false) throws(TransportError) {
        precondition(count > 0)
        var loops: [EventLoop] = []
        do throws(TransportError) {
            for index in 0..<count {
                let loop = try EventLoop(index: index, isManual: isManual)
                do throws(TransportError) {
                    try loop.start()
                } catch {
                    loop.closeUnstarted()
                    throw error
                }
                loops.append(loop)
            }
        } catch {
            // A later loop may find no descriptor left: the loops that run already are stopped.
            for loop in loops { loop.stop() }
            for loop in loops { loop.join() }
            throw error
        }
        self.loops = loops
    }

    /// Stops every loop and waits for its thread. Handles must have been closed before. Returns the
    /// number of those still open, which must be zero. Not to be called on a loop.
    @discardableResult
    package func shutdown() -> Int {
        for loop in loops { loop.stop() }
        for loop in loops { loop.join() }
        return loops.reduce(0) { $0 + $1.openHandles }
    }
}

/// Raises the soft limit of open descriptors to the hard one, and returns it.
@discardableResult
package func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
        return 1_024
    }
    if limit.rlim_cur < limit.rlim_max {
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 {
            limit = raised
        }
    }
    return Int(clamping: limit.rlim_cur)
}

/// Returns the number of the next descriptor to be opened; all lower ones are open.
package func lowestFreeDescriptor() -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    // A failure means that none is free.
    guard descriptor >= 0 else { return .max }
    close(descriptor)
    return descriptor
}
