import CLibuv

/// A process signal delivered on a loop.
package final class SignalSource: Handle {
    package let number: Int32
    private let onSignal: (Int32) -> Void

    /// Watches one signal; on the loop's thread.
    package init(
        loop: EventLoop, signal number: Int32, onSignal: @escaping (Int32) -> Void
    ) throws(TransportError) {
        self.number = number
        self.onSignal = onSignal
        super.init(loop: loop)
        var code = unsafe open { unsafe uv_signal_init(loop.uv, $0) }
        if let signal = unsafe opened(as: uv_signal_t.self) {
            unsafe code = uv_signal_start(
                signal,
                { handle, number in
                    let source = unsafe SignalSource.of(handle!.pointee.data)
                    source.onSignal(number)
                    source.loop.endTurn()
                }, number)
        }
        if code < 0 {
            close()
            throw TransportError(code: code, operation: "watch signal \(number)")
        }
    }

    /// Stops watching.
    package func close() { startClosing() }
}
