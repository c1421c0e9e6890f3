import CLibuv
import Glibc

/// A periodic timer of microseconds on one loop, for loads at a rate: libuv's own counts in
/// milliseconds, and the ``TimerWheel`` in 32 of them. For its loop's thread.
// Safety: it owns its handle until the close callback.
@safe
public final class PrecisionTimer {
    private let loop: EventLoop
    private let descriptor: Int32
    private let handle: UnsafeMutablePointer<uv_poll_t>
    private let onTick: () -> Void
    private var isClosed = false

    /// Starts at once; `interval` is in nanoseconds, at least 1. An open timer keeps itself alive.
    public static func start(
        loop: EventLoop, interval: UInt64, onTick: @escaping () -> Void
    ) throws(TransportError) -> PrecisionTimer {
        let flags = Int32(TFD_NONBLOCK | TFD_CLOEXEC)
        let descriptor = timerfd_create(CLOCK_MONOTONIC, flags)
        if descriptor < 0 { throw .lastSystemError("make a timer") }
        let timer = PrecisionTimer(loop: loop, ownedDescriptor: descriptor, onTick: onTick)
        let code = timer.begin(interval)
        if code < 0 {
            timer.close()
            throw TransportError(code: code, operation: "start a timer")
        }
        return timer
    }

    private init(loop: EventLoop, ownedDescriptor: Int32, onTick: @escaping () -> Void) {
        self.loop = loop
        self.onTick = onTick
        descriptor = ownedDescriptor
        unsafe handle = .allocate(capacity: 1)
        // Safety: a timer's descriptor can be polled, so this does not fail.
        unsafe uv_poll_init(loop.uv, handle, ownedDescriptor)
        loop.openHandles += 1
        unsafe handle.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
    }

    private func begin(_ interval: UInt64) -> Int32 {
        let code = set(interval: interval)
        if code < 0 { return code }
        return unsafe uv_poll_start(handle, Int32(UV_READABLE.rawValue)) { handle, _, _ in
            let timer = unsafe Unmanaged<PrecisionTimer>.fromOpaque(handle!.pointee.data)
                .takeUnretainedValue()
            timer.tick()
        }
    }

    /// Ticks that long after now, and from then on each time as long after the last; not once it is
    /// closed. `interval` is in nanoseconds, at least 1. Returns 0, or a negative error code.
    @discardableResult
    public func set(interval: UInt64) -> Int32 {
        guard !isClosed else { return UV_ECANCELED.rawValue }
        let period = timespec(
            tv_sec: Int(interval / 1_000_000_000), tv_nsec: Int(interval % 1_000_000_000))
        var times = itimerspec(it_interval: period, it_value: period)
        return unsafe timerfd_settime(descriptor, 0, &times, nil) == 0 ? 0 : -errno
    }

    private func tick() {
        var expirations: UInt64 = 0
        _ = unsafe read(descriptor, &expirations, MemoryLayout<UInt64>.size)
        if !isClosed { onTick() }
        loop.endTurn()
    }

    /// Stops it.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        unsafe uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) {
            handle in
            let timer = unsafe Unmanaged<PrecisionTimer>.fromOpaque(handle!.pointee.data)
                .takeRetainedValue()
            timer.loop.openHandles -= 1
            Glibc.close(timer.descriptor)
            unsafe timer.handle.deallocate()
        }
    }
}
