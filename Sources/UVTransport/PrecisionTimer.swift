import CLibuv
import Glibc

/// A periodic timer with a resolution of microseconds, for load at a fixed rate: libuv's timers
/// count in milliseconds, and the ``TimerWheel`` in 32 of them. For its loop's thread.
package final class PrecisionTimer: Handle {
    private let descriptor: Int32
    private let onTick: () -> Void

    /// Starts at once; `interval` is in nanoseconds, at least 1. An open timer keeps itself alive.
    package static func start(
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
        self.onTick = onTick
        descriptor = ownedDescriptor
        super.init(loop: loop)
    }

    private func begin(_ interval: UInt64) -> Int32 {
        let code = open(polling: descriptor)
        if code < 0 { return code }
        let failure = set(interval: interval)
        if failure < 0 { return failure }
        return unsafe uv_poll_start(opened(as: uv_poll_t.self)!, Int32(UV_READABLE.rawValue)) {
            handle, _, _ in
            unsafe PrecisionTimer.of(handle!.pointee.data).tick()
        }
    }

    /// Makes the timer tick repeatedly, each time after the interval. A closed timer doesn't tick.
    /// `interval` is in nanoseconds, at least 1. Returns 0, or a negative error code.
    @discardableResult
    package func set(interval: UInt64) -> Int32 {
        guard !isClosing else { return UV_ECANCELED.rawValue }
        let period = timespec(
            tv_sec: Int(interval / 1_000_000_000), tv_nsec: Int(interval % 1_000_000_000))
        var times = itimerspec(it_interval: period, it_value: period)
        return unsafe timerfd_settime(descriptor, 0, &times, nil) == 0 ? 0 : -errno
    }

    private func tick() {
        var expirations: UInt64 = 0
        _ = unsafe read(descriptor, &expirations, MemoryLayout<UInt64>.size)
        if !isClosing { onTick() }
        loop.endTurn()
    }

    /// Stops the timer.
    package func close() { startClosing() }

    package override func closed() { Glibc.close(descriptor) }
}
