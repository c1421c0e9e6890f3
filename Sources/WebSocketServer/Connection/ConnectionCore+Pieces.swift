import UVTransport

/// Reading in pieces: one read may hold hundreds of messages, and compressed ones inflate a
/// thousandfold. Between two pieces there is a look at whether the rest is to wait.
extension ConnectionCore {
    /// Bytes of a piece where rates are to be kept.
    static let pieceSizeByRates = 1_024
    /// Bytes of a piece where messages may be compressed: small beside what it may inflate to,
    /// large beside what an ordinary read brings.
    static let pieceSizeInflating = 4_096
    /// Payload bytes that one read of a connection may bring before others have their turn.
    private static let payloadsPerTurn: UInt64 = 2 << 20

    /// Receives what may be compressed, now or in a later turn.
    func receiveInflating(_ bytes: UnsafeMutableRawBufferPointer) {
        let isWithinMessage = unsafe !session.isBetweenMessages
        if context.mustAwaitCodecTurn(bytes.count, isWithinMessage: isWithinMessage),
            unsafe stage == .open
        {
            unsafe holdForLater(bytes)
        } else if bytes.count > Self.pieceSizeInflating,
            unsafe isInSharedReadBuffer(bytes.baseAddress!)
        {
            // What is read directly is at most the rest of one message.
            unsafe receiveInPieces(bytes, of: Self.pieceSizeInflating)
        } else {
            unsafe receivePiece(bytes)
        }
    }

    func receiveInPieces(_ bytes: UnsafeMutableRawBufferPointer, of pieceSize: Int) {
        let payloadsMax =
            unsafe context.messageCounts.pointee.bytesReceived + Self.payloadsPerTurn
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            if unsafe stage == .open {
                // The handler, the rates or the outbox say so: each waits for something.
                if unsafe !pauseReasons.isEmpty { return unsafe hold(rest) }
                if unsafe context.messageCounts.pointee.bytesReceived >= payloadsMax {
                    return unsafe holdForLater(rest)
                }
                if unsafe compression != nil, context.isCodecTurnOver() {
                    return unsafe holdForLater(rest)
                }
            }
            let size = min(rest.count, pieceSize)
            unsafe receivePiece(UnsafeMutableRawBufferPointer(rebasing: rest[..<size]))
            guard unsafe stage == .open || stage == .closing else { return }
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(rebasing: rest[size...])
        }
    }

    private func hold(_ bytes: UnsafeMutableRawBufferPointer) {
        // RFC 6455 §5.5.1: what follows the peer's Close frame doesn't count.
        if unsafe closing.received != nil { return }
        let guards = unsafe self.guards ?? ConnectionGuards()
        unsafe self.guards = guards
        unsafe guards.hold(bytes)
        setReadingPaused(true, .held)
    }

    private func holdForLater(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe hold(bytes)
        receiveHeldLater()
    }

    /// Looks at what is held in a later turn, if nothing else makes it wait then.
    func receiveHeldLater() {
        if unsafe compression != nil {
            context.awaitCodecTurn(self)
        } else {
            loop.executeLater { [self] in receiveHeld() }
        }
    }

    func receiveHeld() {
        guard unsafe stage == .open, unsafe pauseReasons == .held,
            var held = unsafe guards?.takeHeld()
        else { return }
        setReadingPaused(false, .held)
        let pieceSize = unsafe guards!.hasRates ? Self.pieceSizeByRates : Self.pieceSizeInflating
        unsafe held.withUnsafeMutableBytes { unsafe receiveInPieces($0, of: pieceSize) }
    }
}
