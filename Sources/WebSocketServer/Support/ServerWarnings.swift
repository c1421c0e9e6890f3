import Logging

/// The log messages that peers or the system can cause many times a second.
struct ServerWarnings: Sendable {
    /// The warning that connections can't be accepted; the kind is an error's code.
    let unaccepted: LogThrottle
    /// The warning that an accepted descriptor can't be used; the kind is an error's code.
    let unopened: LogThrottle
    /// The warning that descriptors run short, so that a connection is closed when it is accepted.
    let short: LogThrottle
    /// The warning that a connection is closed when it is accepted, because its address has too
    /// many, or no other connection can be evicted for it.
    let unplaced: LogThrottle
    /// The warning that a connection was evicted for another.
    let evicted: LogThrottle
    /// The warning that the broker refused a publication of a connection.
    let refused: LogThrottle
    /// The warning that memory was used up, and that connections were closed for that.
    let shed: LogThrottle
    /// The warning that a turn of a loop took long; the kind is the loop's number.
    let slowTurn: LogThrottle
    /// The warning that publications of the broker were dropped.
    let undelivered: LogThrottle
    /// The warnings about connections of peers that aren't trusted to use the PROXY protocol.
    let untrustedProxy: LogThrottle
    /// The warnings about connections that don't begin with the PROXY protocol's header.
    let invalidPreamble: LogThrottle
    /// The messages that requests or WebSockets are refused because of the limits of connections;
    /// the kind is the status or the close code.
    let crowded: LogThrottle
    /// The messages that connections are refused because the server is overloaded.
    let overloaded: LogThrottle
    /// The warnings about requests that name another host.
    let misdirected: LogThrottle
    /// The warnings about TLS handshakes that failed.
    let failedTLS: LogThrottle
    /// The warnings about connections that read too slowly.
    let slowConsumer: LogThrottle
    /// The warnings about errors thrown by the closure that decides on an upgrade.
    let failedUpgrade: LogThrottle
    /// The warnings about errors thrown by a request's handler.
    let failedRequest: LogThrottle
    /// The warnings about errors thrown by an `async` connection handler.
    let failedConnection: LogThrottle

    init(logger: Logger) {
        unaccepted = LogThrottle("cannot accept connections; retrying", logger: logger)
        shed = LogThrottle(
            "memory is spent: closed the connections that held the most", logger: logger)
        slowTurn = LogThrottle("event loop turn was slow", logger: logger)
        unopened = LogThrottle("could not open a connection", logger: logger)
        short = LogThrottle(
            "too few file descriptors are left: connections are closed", logger: logger)
        unplaced = LogThrottle("too many connections: new ones are closed", logger: logger)
        evicted = LogThrottle(
            "too many connections: those are closed that have waited longest", logger: logger)
        refused = LogThrottle(
            "the broker refused publications of connections: they are lost", logger: logger)
        undelivered = LogThrottle(
            "too much waits to be delivered: publications are dropped", logger: logger)
        untrustedProxy = LogThrottle(
            "refused: not a trusted proxy, and the PROXY protocol is required", level: .info,
            logger: logger)
        invalidPreamble = LogThrottle(
            "refused: no header of the PROXY protocol", level: .info, logger: logger)
        crowded = LogThrottle(
            "refused: too many connections", level: .info, logger: logger)
        overloaded = LogThrottle("refused: overloaded", level: .info, logger: logger)
        misdirected = LogThrottle(
            "refused: the name in Host isn't one of the server's (server.names)", level: .info,
            logger: logger)
        failedTLS = LogThrottle("TLS failed", level: .info, logger: logger)
        slowConsumer = LogThrottle("slow consumer disconnected", level: .info, logger: logger)
        failedUpgrade = LogThrottle("upgrade failed", level: .error, logger: logger)
        failedRequest = LogThrottle("request handler failed", level: .error, logger: logger)
        failedConnection = LogThrottle("connection handler failed", level: .error, logger: logger)
    }
}
