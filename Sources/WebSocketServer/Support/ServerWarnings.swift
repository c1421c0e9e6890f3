import Logging

/// The log messages that peers or the system can cause many times a second.
struct ServerWarnings: Sendable {
    /// Connections can't be accepted; the kind is an error's code.
    let unaccepted: LogThrottle
    /// An accepted descriptor can't be used; the kind is an error's code.
    let unopened: LogThrottle
    /// Descriptors run short: a connection is closed when it is accepted.
    let short: LogThrottle
    /// A connection is closed when it is accepted: its address has too many, or no other connection
    /// can be evicted for it.
    let unplaced: LogThrottle
    /// A connection was evicted for another.
    let evicted: LogThrottle
    /// The broker refused a publication of a connection.
    let refused: LogThrottle
    /// Memory was used up, and connections were closed for that.
    let shed: LogThrottle
    /// A turn of a loop took long; the kind is the loop's number.
    let slowTurn: LogThrottle
    /// Publications of the broker were dropped.
    let undelivered: LogThrottle
    /// Connections of peers that aren't trusted to use the PROXY protocol.
    let untrustedProxy: LogThrottle
    /// Connections that don't begin with the PROXY protocol's header.
    let invalidPreamble: LogThrottle
    /// Connections that read too slowly.
    let slowConsumer: LogThrottle
    /// Errors thrown by the closure that decides on an upgrade.
    let failedUpgrade: LogThrottle
    /// Errors thrown by a request's handler.
    let failedRequest: LogThrottle
    /// Errors thrown by an `async` connection handler.
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
        slowConsumer = LogThrottle("slow consumer disconnected", level: .info, logger: logger)
        failedUpgrade = LogThrottle("upgrade failed", level: .error, logger: logger)
        failedRequest = LogThrottle("request handler failed", level: .error, logger: logger)
        failedConnection = LogThrottle("connection handler failed", level: .error, logger: logger)
    }
}
