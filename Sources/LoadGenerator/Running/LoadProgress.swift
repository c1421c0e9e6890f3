/// The progress of a load.
package struct LoadProgress: Sendable {
    package enum Phase: String, Sendable { case opening, replies, warmup, measuring }

    package var phase: Phase
    /// The connections that are open or answered so far, and their total.
    package var count: Int
    package var total: Int
    /// The seconds since the phase began, and the phase's length.
    package var seconds = 0.0
    package var duration = 0.0
    /// The recent rate, in messages per second.
    package var rate = 0.0
}
