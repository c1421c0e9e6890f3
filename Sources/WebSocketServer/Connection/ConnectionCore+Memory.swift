import UVTransport
import WebSocketProtocol

/// The memory that the peer makes the server hold.
extension ConnectionCore {
    /// The bytes that the peer makes the server hold for this connection, partly received messages
    /// aside.
    private var heldSize: Int {
        unsafe outboxCount + (guards?.heldSize ?? 0) + (opening?.heldSize ?? 0)
    }

    /// The same with partly received messages.
    var memoryHeld: Int { unsafe heldSize + session.heldSize }

    /// Counts what the connection holds against the server's memory; to be called when that may
    /// have changed. Less than 4 KiB are not worth counting.
    func countMemory() {
        let held = stage == .over ? 0 : heldSize
        let size = held < 4_096 ? 0 : UInt32(clamping: held)
        guard unsafe size != memoryCounted else { return }
        let grown = unsafe Int(size) - Int(memoryCounted)
        unsafe memoryCounted = size
        context.memory.add(grown)
        if grown > 0, !context.memory.budget.hasRoom { context.shedMemoryLater() }
    }

    /// Releases what the peer has sent and this side has yet to handle.
    func releaseHeld() {
        if unsafe sink != nil { unsafe session.discard(into: &sink!) }
        _ = guards?.takeUnparsed()
        countMemory()
    }
}
