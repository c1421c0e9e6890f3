import CLibuv
import Glibc

/// A measurement of a loop's turns: the processor time from one wait for events to the next.
// Safety: it owns its handle, which the loop closes before it ends.
@safe
final class TurnWatch {
    private let handle: UnsafeMutablePointer<uv_prepare_t>
    private let onTurn: (_ cpuNanoseconds: UInt64) -> Void
    private var last = TurnWatch.threadTime()

    /// Starts measuring; on the loop's thread. `onTurn` is called before each wait.
    init(loop: UnsafeMutablePointer<uv_loop_t>, onTurn: @escaping (UInt64) -> Void) {
        self.onTurn = onTurn
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_prepare_init(loop, handle)
        unsafe handle.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe uv_prepare_start(handle) { handle in
            let data = unsafe handle!.pointee.data!
            unsafe Unmanaged<TurnWatch>.fromOpaque(data).takeUnretainedValue().turnIsOver()
        }
        // It must not keep a loop alive that is stopped.
        unsafe uv_unref(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self))
    }

    private func turnIsOver() {
        let now = Self.threadTime()
        onTurn(now - last)
        // The time that `onTurn` takes isn't part of the next turn.
        last = Self.threadTime()
    }

    func close() {
        unsafe uv_close(
            UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        ) { handle in
            // Safety: balances the retain of `init`; libuv uses the handle no more.
            unsafe Unmanaged<TurnWatch>.fromOpaque(handle!.pointee.data).release()
        }
    }

    deinit { unsafe handle.deallocate() }

    static func threadTime() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
