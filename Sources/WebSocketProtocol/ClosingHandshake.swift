/// The state of a connection's closing handshake (RFC 6455 §7).
package struct ClosingHandshake: Sendable {
    /// The code of the Close frame that was sent; `nil` before.
    package private(set) var sent: CloseCode?
    /// The code of the peer's Close frame, 1005 if it had none; `nil` before it arrived.
    package private(set) var received: CloseCode?

    package init() {}

    /// Starts to close on our side. Returns the code to send, or `nil` if a Close frame has been
    /// sent before. 1005 means a Close frame without a code. See ``CloseCode/sendable``.
    package mutating func close(_ code: CloseCode) -> CloseCode? {
        guard sent == nil else { return nil }
        sent = code.sendable
        return sent
    }

    /// Notes the peer's Close frame. Returns whether ``answer()`` must follow, because no Close
    /// frame has been sent yet.
    package mutating func receive(_ code: CloseCode?) -> Bool {
        guard received == nil else { return false }
        received = code ?? .noStatusReceived
        return sent == nil
    }

    /// Answers the peer's Close frame. Returns the code to send, which is the peer's own (§5.5.1),
    /// or `nil` if there is nothing to answer. 1005 means a Close frame without a code.
    package mutating func answer() -> CloseCode? {
        guard sent == nil else { return nil }
        sent = received
        return received
    }

    /// The code that the application receives (§7.1.5): the peer's, or else the one that was sent,
    /// or 1006 if there was no Close frame at all.
    package var outcome: CloseCode { received ?? sent ?? .abnormalClosure }
}

extension CloseCode {
    /// Returns the payload of a Close frame: the code, and as much of the reason as fits into 125
    /// bytes, cut between characters. It is empty for 1005, which stands for no code.
    package func payload(reason: String) -> [UInt8] {
        guard self != .noStatusReceived else { return [] }
        var bytes = [UInt8(rawValue >> 8), UInt8(truncatingIfNeeded: rawValue)]
        for character in reason {
            let utf8 = character.utf8
            if bytes.count + utf8.count > FrameHeader.controlPayloadMax { break }
            bytes.append(contentsOf: utf8)
        }
        return bytes
    }
}
