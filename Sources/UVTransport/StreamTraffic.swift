import CLibuv

/// The bytes of a TCP connection as the kernel counts them, TLS and the headers of frames included.
package struct StreamTraffic: Sendable {
    package let bytesReceived: UInt64
    /// The bytes that were sent, each counted once.
    package let bytesSent: UInt64
    package let roundTripMicroseconds: UInt32

    /// `nil` where the kernel doesn't count them: for Unix-domain sockets, and without a socket.
    package init?(of stream: Stream) {
        let descriptor = (stream.transport as? TLSTransport)?.descriptor ?? stream.descriptor
        guard descriptor >= 0 else { return nil }
        var (received, sent): (UInt, UInt) = (0, 0)
        var roundTrip: UInt32 = 0
        guard unsafe apus_traffic(descriptor, &received, &sent, &roundTrip) else {
            return nil
        }
        bytesReceived = UInt64(received)
        bytesSent = UInt64(sent)
        roundTripMicroseconds = roundTrip
    }
}
