/// How far a load is.
package struct LoadProgress: Sendable {
    package enum Phase: String, Sendable { case opening, replies, warmup, measuring }

    package var phase: Phase
    /// Connections that are open, or answered, and how many there are to be.
    package var count: Int
    package var total: Int
    /// Since the phase began, and how long it is.
    package var seconds = 0.0
    package var duration = 0.0
    /// Messages a second, of late.
    package var rate = 0.0
}
