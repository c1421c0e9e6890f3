import CLibuv
import Glibc

/// A process signal delivered on a loop.
public final class SignalSource {
    private let loop: EventLoop
    private let handle: UnsafeMutablePointer<uv_signal_t>
    private let onSignal: (Int32) -> Void
    private var isClosed = false

    /// Watches one signal; on the loop's thread.
    public init(
        loop: EventLoop, signal number: Int32, onSignal: @escaping (Int32) -> Void
    ) throws(TransportError) {
        self.loop = loop
        self.onSignal = onSignal
        handle = .allocate(capacity: 1)
        uv_signal_init(loop.uv, handle)
        loop.openHandles += 1
        handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
        let code = uv_signal_start(handle, { handle, number in
            let source = Unmanaged<SignalSource>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
            source.onSignal(number)
            source.loop.endTurn()
        }, number)
        if code < 0 {
            close()
            throw TransportError(code: code, operation: "watch signal \(number)")
        }
    }

    /// Stops watching.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) { handle in
            let source = Unmanaged<SignalSource>.fromOpaque(handle!.pointee.data).takeRetainedValue()
            source.loop.openHandles -= 1
            source.handle.deallocate()
        }
    }
}
