import CLibuv

/// A measurement of how long a loop's turns take: from the end of one wait for events to the next
/// wait.
///
/// It reads the clock once a turn. libuv itself notes the end of the wait, in whole milliseconds, so
/// a duration may be a millisecond too short or too long; the average of many is right.
// Safety: it owns its handles, which the loop closes before it ends.
@safe
final class TurnMeter {
    private let prepare: UnsafeMutablePointer<uv_prepare_t>
    private let check: UnsafeMutablePointer<uv_check_t>
    private let onTurn: (_ milliseconds: UInt64) -> Void
    /// The end of the last wait, by the loop's clock; 0 before the first one.
    private var began: UInt64 = 0

    /// Starts measuring; on the loop's thread. `onTurn` is called before each wait.
    init(loop: UnsafeMutablePointer<uv_loop_t>, onTurn: @escaping (UInt64) -> Void) {
        self.onTurn = onTurn
        unsafe prepare = .allocate(capacity: 1)
        unsafe check = .allocate(capacity: 1)
        unsafe uv_prepare_init(loop, prepare)
        unsafe uv_check_init(loop, check)
        // Safety: each handle keeps this object until it is closed.
        unsafe prepare.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe check.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe uv_prepare_start(prepare) { handle in
            let data = unsafe handle!.pointee.data!
            unsafe Unmanaged<TurnMeter>.fromOpaque(data)._withUnsafeGuaranteedRef {
                $0.turnIsOver()
            }
        }
        // After the events: the loop's clock still shows the end of the wait.
        unsafe uv_check_start(check) { handle in
            let now = unsafe handle!.pointee.loop.pointee.time
            let data = unsafe handle!.pointee.data!
            unsafe Unmanaged<TurnMeter>.fromOpaque(data)._withUnsafeGuaranteedRef { $0.began = now }
        }
        // They must not keep a loop alive that is stopped.
        unsafe handles.forEach { unsafe uv_unref($0) }
    }

    private var handles: [UnsafeMutablePointer<uv_handle_t>] {
        unsafe [
            UnsafeMutableRawPointer(prepare).assumingMemoryBound(to: uv_handle_t.self),
            UnsafeMutableRawPointer(check).assumingMemoryBound(to: uv_handle_t.self),
        ]
    }

    private func turnIsOver() {
        guard began > 0 else { return }
        let now = uv_hrtime() / 1_000_000
        onTurn(now > began ? now - began : 0)
    }

    func close() {
        unsafe handles.forEach { handle in
            unsafe uv_close(handle) { handle in
                // Safety: balances a retain of `init`; libuv uses the handle no more.
                unsafe Unmanaged<TurnMeter>.fromOpaque(handle!.pointee.data).release()
            }
        }
    }

    deinit {
        unsafe prepare.deallocate()
        unsafe check.deallocate()
    }
}
