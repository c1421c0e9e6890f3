import CLibuv

/// Keeps one loop awake while it is open: it asks for events over and over instead of sleeping.
///
/// For load generators: who sends to a thread that sleeps pays for waking it, and between two
/// processes of one machine that would be the server measured. For its loop's thread.
// Safety: it owns its handle until the close callback.
@safe
public final class LoopSpinner {
    private let loop: EventLoop
    private let handle: UnsafeMutablePointer<uv_idle_t>
    private let onTurn: () -> Void
    private var isClosed = false

    /// Starts at once. `onTurn` is called before each look for events; an open spinner keeps
    /// itself alive.
    public static func start(loop: EventLoop, onTurn: @escaping () -> Void) -> LoopSpinner {
        let spinner = LoopSpinner(loop: loop, onTurn: onTurn)
        // Safety: neither call fails on a handle that was just made.
        unsafe uv_idle_start(spinner.handle) { handle in
            let spinner = unsafe Unmanaged<LoopSpinner>.fromOpaque(handle!.pointee.data)
                .takeUnretainedValue()
            spinner.onTurn()
        }
        return spinner
    }

    private init(loop: EventLoop, onTurn: @escaping () -> Void) {
        self.loop = loop
        self.onTurn = onTurn
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_idle_init(loop.uv, handle)
        loop.openHandles += 1
        unsafe handle.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
    }

    /// Lets the loop sleep again.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        unsafe uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) {
            handle in
            let spinner = unsafe Unmanaged<LoopSpinner>.fromOpaque(handle!.pointee.data)
                .takeRetainedValue()
            spinner.loop.openHandles -= 1
            unsafe spinner.handle.deallocate()
        }
    }
}
