import CLibuv

/// A handle that keeps its loop awake while it is open: the loop polls for events continuously
/// instead of sleeping.
///
/// It is meant for load generators. Sending to a sleeping thread includes the cost of waking it,
/// which on one machine would be measured as part of the server's cost. For its loop's thread.
package final class LoopSpinner: Handle {
    private let onTurn: () -> Void

    /// Starts at once. `onTurn` is called before each poll for events; an open spinner keeps
    /// itself alive.
    package static func start(loop: EventLoop, onTurn: @escaping () -> Void) -> LoopSpinner {
        let spinner = LoopSpinner(loop: loop, onTurn: onTurn)
        // Safety: neither call fails on a handle that was just made.
        unsafe uv_idle_start(spinner.opened(as: uv_idle_t.self)!) { handle in
            unsafe LoopSpinner.of(handle!.pointee.data).onTurn()
        }
        return spinner
    }

    private init(loop: EventLoop, onTurn: @escaping () -> Void) {
        self.onTurn = onTurn
        super.init(loop: loop)
        _ = unsafe open { unsafe uv_idle_init(loop.uv, $0) }
    }

    /// Lets the loop sleep again.
    package func close() { startClosing() }
}
