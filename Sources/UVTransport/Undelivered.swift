import CLibuv

/// The bytes that a stream's peer had not taken at some time: those in the outbox and those in the
/// kernel.
///
/// A later check tells whether the peer has taken some of them: a peer that reads has, however
/// slowly. Bytes sent since then don't count: a kernel continues to take them for a program that
/// hangs, until its receive buffer is full. The bytes in that buffer can't be seen from here. For a
/// Unix-domain socket the kernel reports only steps of some 36 KiB.
public struct Undelivered: Sendable {
    private var count: Int
    /// The peer's acknowledgements as the kernel counts them; `nil` for a Unix-domain socket, where
    /// fewer bytes in all are the only sign.
    private var acknowledged: Int?

    /// `nil` if the peer has taken all but `ignored` bytes.
    public init?(on stream: Stream, ignoring ignored: Int = 0) {
        count = stream.undeliveredCount
        guard count > ignored else { return nil }
        acknowledged = stream.acknowledgedCount
    }

    /// Whether the peer has taken all of them, as far as ``update(from:)`` has seen.
    public var isEmpty: Bool { count == 0 }

    /// Checks again. Returns whether the peer has taken some of the bytes since the last check.
    public mutating func update(from stream: Stream) -> Bool {
        let before = count
        if let acknowledged, let now = stream.acknowledgedCount {
            count -= min(count, now - acknowledged)
            self.acknowledged = now
        } else {
            count = min(count, stream.undeliveredCount)
        }
        return count < before
    }
}

extension Stream {
    /// The bytes that were written and that the peer has not acknowledged. For a Unix-domain socket
    /// the kernel counts the memory of the bytes that the peer has not read.
    public final var undeliveredCount: Int {
        let corked = unsafe ownsCork ? loop.turn.pointee.corkCount : 0
        return corked + outboxCount + unacknowledgedCount
    }

    /// The bytes that the kernel, or the transport, holds until the peer acknowledges them.
    final var unacknowledgedCount: Int {
        if let transport = unsafe transport { return transport.unacknowledgedCount }
        return unsafe Int(apus_unacknowledged(descriptor))
    }

    fileprivate final var acknowledgedCount: Int? {
        if let transport = unsafe transport { return transport.acknowledgedCount }
        let count = unsafe apus_acknowledged(descriptor)
        return count < 0 ? nil : count
    }
}
