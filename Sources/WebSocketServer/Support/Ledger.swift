/// The resources that the loops of a server or client still held when they stopped: none, unless
/// there is a leak.
package struct Ledger: Sendable, Hashable {
    /// The open libuv handles.
    package var handles = 0
    /// The buffers of partly received messages, and their bytes in the budget.
    package var buffers = 0
    package var assemblyBytes = 0
    /// The bytes that count against the shared memory: these buffers, outboxes and held input.
    package var memoryBytes = 0
    /// The bytes in the budget for compression contexts.
    package var contextBytes = 0
    /// The topics and their contexts, and the bytes that wait for slow consumers or for loops.
    package var topics = 0
    package var backlogBytes = 0
    /// The connections that are still counted.
    package var connections = 0
    /// The subprotocols, close reasons and deadlines of connections that are gone.
    package var notes = 0

    package var isZero: Bool { self == Ledger() }
}
