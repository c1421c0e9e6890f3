/// The timeouts and limits of a ``RedisBroker``. Tests use shorter ones.
package struct RedisOptions: Sendable {
    /// The time for resolving the host, connecting and logging in together.
    package var connectTimeout: Duration = .seconds(5)
    /// The time for Redis to answer a command. After it, a publication is lost.
    package var commandTimeout: Duration = .seconds(5)
    /// The interval of the probes, and the time for a probe to come back.
    package var probeInterval: Duration = .seconds(2)
    package var probeTimeout: Duration = .seconds(4)
    /// The shortest and the longest delay before an attempt to connect: see ``Backoff``.
    package var backoff: ClosedRange<Duration> = .milliseconds(100) ... .seconds(5)
    /// The limits of pending publications: their number, and their size in bytes. Only publications
    /// that are already pending count, so one of any size is always admitted.
    package var inFlightMax = 16_384
    package var inFlightSizeMax = 64 << 20
    /// The most bytes of a publication with its envelope. A larger one, which only others can
    /// publish, ends the connection before the rest of it is received. That is a gap.
    package var messageSizeMax = 64 << 20
    /// The most bytes of a reply: a message, and the name of its channel.
    var replySizeMax: Int { messageSizeMax + 64 << 10 }
    /// The time that a stop waits for pending answers.
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
