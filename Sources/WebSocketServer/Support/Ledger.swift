/// What the loops of a server or client still held when they stopped: nothing, unless there is a
/// leak.
package struct Ledger: Sendable, Hashable {
    /// Open libuv handles.
    package var handles = 0
    /// Buffers of partly received messages, and the bytes of the budget that they take.
    package var buffers = 0
    package var assemblyBytes = 0
    /// Bytes that count against the memory of all: those and what is queued and held.
    package var memoryBytes = 0
    /// Bytes taken of the budget for contexts of compression.
    package var contextBytes = 0
    /// Topics and contexts of them, and the bytes that wait for slow subscribers or for loops.
    package var topics = 0
    package var backlogBytes = 0
    /// Connections that were counted in and not out.
    package var connections = 0
    /// Subprotocols, close reasons and deadlines kept for connections that are gone.
    package var notes = 0

    package var isZero: Bool { self == Ledger() }
}
