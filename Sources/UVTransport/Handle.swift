import CLibuv

/// One handle of libuv on a loop: the base class of everything that libuv calls back.
///
/// libuv may use a handle until it has reported that the handle is closed. Until then the handle
/// keeps itself alive and counts in ``EventLoop/openHandles``. For its loop's thread.
// Safety: it owns the memory that libuv uses, which is freed after libuv's last callback.
@safe
open class Handle: TimerEntry {
    // In this order the flag fills a gap that the base class leaves.

    /// Whether closing has begun: nothing happens on the handle any more but ``closed()``.
    final private(set) var isClosing = false
    public final let loop: EventLoop
    /// The memory of libuv's handle; `nil` until ``open(_:)``.
    private final var memory: UnsafeMutablePointer<uv_handle_t>?

    init(loop: EventLoop) {
        self.loop = loop
        super.init()
        loop.openHandles += 1
        // Safety: balanced in `didClose`.
        _ = unsafe Unmanaged.passRetained(self)
    }

    deinit {
        if let memory = unsafe memory { unsafe UnsafeMutableRawPointer(memory).deallocate() }
    }

    /// Called when libuv has closed the handle. Always the last call.
    open func closed() {}

    /// Allocates libuv's handle and has `initialize` set it up. Returns libuv's code; a negative
    /// one leaves the handle as it was, still to be closed.
    final func open<Kind>(_ initialize: (UnsafeMutablePointer<Kind>) -> Int32) -> Int32 {
        let made = UnsafeMutablePointer<Kind>.allocate(capacity: 1)
        let code = unsafe initialize(made)
        guard code >= 0 else {
            unsafe made.deallocate()
            return code
        }
        unsafe memory = UnsafeMutableRawPointer(made).assumingMemoryBound(to: uv_handle_t.self)
        unsafe memory!.pointee.data = unsafe Unmanaged.passUnretained(self).toOpaque()
        return code
    }

    /// Opens the handle as one that polls a descriptor.
    final func open(polling descriptor: Int32) -> Int32 {
        unsafe open { unsafe uv_poll_init(loop.uv, $0, descriptor) }
    }

    /// Returns libuv's handle as the kind that it was opened as; `nil` before that.
    @inline(__always)
    final func opened<Kind>(as kind: Kind.Type) -> UnsafeMutablePointer<Kind>? {
        guard let memory = unsafe memory else { return nil }
        return unsafe UnsafeMutableRawPointer(memory).assumingMemoryBound(to: kind)
    }

    /// Returns the handle that a callback of libuv is about, from the `data` of libuv's handle.
    static func of(_ data: UnsafeMutableRawPointer?) -> Self {
        let handle = unsafe Unmanaged<Handle>.fromOpaque(data!).takeUnretainedValue()
        return unsafe unsafeDowncast(handle, to: Self.self)
    }

    /// Closes libuv's handle; ``closed()`` follows in a later turn. A second call does nothing.
    final func startClosing() {
        guard !isClosing else { return }
        isClosing = true
        loop.cancel(self)
        guard let memory = unsafe memory else {
            loop.execute { [carrier = Carrier(handle: self)] in carrier.handle.didClose() }
            return
        }
        unsafe uv_close(memory) { memory in
            let handle = unsafe Handle.of(memory!.pointee.data)
            let loop = handle.loop
            handle.didClose()
            loop.endTurn()
        }
    }

    private final func didClose() {
        loop.openHandles -= 1
        closed()
        // Safety: balances the retain of `init`; libuv uses the handle no more.
        unsafe Unmanaged.passUnretained(self).release()
    }
}

/// Carries a handle to a closure of its own loop.
// Safety: the closure runs on the handle's thread.
private struct Carrier: @unchecked Sendable {
    let handle: Handle
}
