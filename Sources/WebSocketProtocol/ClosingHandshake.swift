/// Where a connection is between its first Close frame and its end (RFC 6455 §7).
package struct ClosingHandshake: Sendable {
    /// The code that our Close frame carried; `nil` until one is sent.
    package private(set) var sent: CloseCode?
    /// The code that the peer's Close frame carried, 1005 if none; `nil` until one came.
    package private(set) var received: CloseCode?

    package init() {}

    /// The application, a limit or a fault closes; true if a Close frame is to be sent now.
    package mutating func close(_ code: CloseCode) -> Bool {
        guard sent == nil else { return false }
        sent = code
        return true
    }

    /// The peer's Close frame came; true if we have sent none and owe it an ``answer()``.
    package mutating func receive(_ code: CloseCode?) -> Bool {
        guard received == nil else { return false }
        received = code ?? .noStatusReceived
        return sent == nil
    }

    /// Returns the code to answer the peer's Close frame with now, which is its own (§5.5.1); `nil`
    /// if there is none to answer or we have sent ours. 1005 means an answer without a code.
    package mutating func answer() -> CloseCode? {
        guard sent == nil else { return nil }
        sent = received
        return received
    }

    /// What the application is told (§7.1.5): the peer's code, else 1006 for a connection that
    /// ended without one, except that a close of ours that the peer never answered keeps ours.
    package var outcome: CloseCode { received ?? sent ?? .abnormalClosure }
}

extension CloseCode {
    /// A Close frame's payload: the code and as much of the reason as fits in 125 bytes, cut at
    /// a character; empty for 1005, which says that there is no code.
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
