/// How patient and how large a ``RedisBroker`` is; tests make it less patient.
package struct RedisOptions: Sendable {
    /// Looking the host up, connecting and logging in together.
    package var connectTimeout: Duration = .seconds(5)
    /// Time for Redis to answer a command; a publication is lost after it.
    package var commandTimeout: Duration = .seconds(5)
    /// How often the subscription is probed, and the time for the probe to come back.
    package var probeInterval: Duration = .seconds(2)
    package var probeTimeout: Duration = .seconds(4)
    /// The shortest and the longest pause before an attempt to connect: see ``Backoff``.
    package var backoff: ClosedRange<Duration> = .milliseconds(100) ... .seconds(5)
    /// Publications that wait for Redis's answer, and their bytes. What was there before counts,
    /// so one always fits.
    package var inFlightMax = 16_384
    package var inFlightSizeMax = 64 << 20
    /// Bytes of a publication with its envelope. A larger one, which only others can publish, ends
    /// the connection before more of it is taken in: a gap, which is told.
    package var messageSizeMax = 64 << 20
    /// Bytes of one reply: a message, and a little for its channel.
    var replySizeMax: Int { messageSizeMax + 64 << 10 }
    /// Time that a stop leaves for answers to what was published before it.
    package var stopTimeout: Duration = .milliseconds(500)

    package init() {}
}

extension Duration {
    var milliseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000
            + UInt64(max(0, attoseconds) / 1_000_000_000_000_000)
    }
}
