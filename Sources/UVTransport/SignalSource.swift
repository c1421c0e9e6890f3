import CLibuv
import Glibc

/// A process signal delivered on a loop.
// Safety: it owns its handle until the close callback.
@safe
public final class SignalSource {
    public let number: Int32
    private let loop: EventLoop
    private let handle: UnsafeMutablePointer<uv_signal_t>
    private let onSignal: (Int32) -> Void
    private var isClosed = false

    /// Watches one signal; on the loop's thread.
    public init(
        loop: EventLoop, signal number: Int32, onSignal: @escaping (Int32) -> Void
    ) throws(TransportError) {
        self.number = number
        self.loop = loop
        self.onSignal = onSignal
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_signal_init(loop.uv, handle)
        loop.openHandles += 1
        unsafe handle.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
        let code = unsafe uv_signal_start(
            handle,
            { handle, number in
                let source = unsafe Unmanaged<SignalSource>.fromOpaque(handle!.pointee.data)
                    .takeUnretainedValue()
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
        unsafe uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) {
            handle in
            let source = unsafe Unmanaged<SignalSource>.fromOpaque(handle!.pointee.data)
                .takeRetainedValue()
            source.loop.openHandles -= 1
            unsafe source.handle.deallocate()
        }
    }
}
