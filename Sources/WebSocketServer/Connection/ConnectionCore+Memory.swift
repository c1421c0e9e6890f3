import UVTransport
import WebSocketProtocol

/// The memory that the peer makes the server hold.
extension ConnectionCore {
    /// The bytes that the peer makes the server hold for this connection, except for partly
    /// received messages.
    private var heldSize: Int {
        outboxCount + (guards?.heldSize ?? 0) + (opening?.heldSize ?? 0) + transportHeldSize
    }

    /// The bytes that the peer makes the server hold for this connection.
    var memoryHeld: Int { unsafe heldSize + session.heldSize }

    /// Counts the bytes that the connection holds against the server's memory; to be called when
    /// they may have changed. Less than 4 KiB aren't counted.
    func countMemory() {
        let held = stage == .over ? 0 : heldSize
        let size = held < 4_096 ? 0 : UInt32(clamping: held)
        guard size != memoryCounted else { return }
        let grown = Int(size) - Int(memoryCounted)
        memoryCounted = size
        resources.memory.add(grown)
        if grown > 0, !resources.memory.budget.hasRoom { resources.shedMemoryLater() }
    }

    /// Releases received bytes that have not been handled yet.
    func releaseHeld() {
        if unsafe sink != nil { unsafe session.discard(into: &sink!) }
        _ = guards?.takeUnparsed()
        countMemory()
    }
}
