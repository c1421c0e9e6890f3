import UVTransport
import WebSocketProtocol

/// Reading in pieces: one read may hold thousands of messages, and a compressed message may inflate
/// to a thousand times its size. Between two pieces the connection checks whether the rest must
/// wait for a later turn.
extension ConnectionCore {
    /// The bytes of a piece if the peer has rates.
    static let pieceSizeByRates = 1_024
    /// The bytes of a piece if messages may be compressed: few enough to limit the inflated size,
    /// and more than an ordinary read has.
    static let pieceSizeInflating = 4_096
    /// The bytes of such a piece after which the time is checked before a further frame begins.
    private static let windowSizeInflating = 512
    /// The bytes of a read after which the time is checked if nothing is compressed. Frames are not
    /// split for this.
    static let windowSize = 16 << 10
    /// The minimum bytes of a read for which the time is checked. Smaller reads hold some hundred
    /// messages at most.
    static let windowedSizeMin = 4_096
    /// The payload bytes that one read of a connection may have before others have their turn.
    private static let payloadsPerTurn: UInt64 = 2 << 20

    /// Receives bytes that may be compressed, now or in a later turn.
    func receiveInflating(_ bytes: UnsafeMutableRawBufferPointer) {
        let isWithinMessage = unsafe !session.isBetweenMessages
        if resources.mustAwaitTurn(bytes.count, isWithinMessage: isWithinMessage),
            stage == .open
        {
            unsafe holdForLater(bytes)
        } else if bytes.count > Self.windowSizeInflating,
            unsafe isInSharedReadBuffer(bytes.baseAddress!)
        {
            // A direct read brings the rest of one message at most.
            unsafe receiveInPieces(bytes, of: Self.pieceSizeInflating)
        } else {
            let unread = unsafe receivePiece(bytes)
            if unread > 0 {
                unsafe hold(UnsafeMutableRawBufferPointer(rebasing: bytes.suffix(unread)))
            }
        }
    }

    func receiveInPieces(_ bytes: UnsafeMutableRawBufferPointer, of pieceSize: Int) {
        let payloadsMax =
            unsafe messageCounts.pointee.bytesReceived + Self.payloadsPerTurn
        let began = resources.codecs.now()
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            // Paused by the handler, the rates or the outbox.
            if lifecycle.mustHold { return unsafe hold(rest) }
            if unsafe messageCounts.pointee.bytesReceived >= payloadsMax
                || resources.isTurnOver() || resources.codecs.now() &- began > TurnQueue.shareMax
            {
                return unsafe holdForLater(rest)
            }
            let size = min(rest.count, pieceSize)
            let unread = unsafe receivePiece(
                UnsafeMutableRawBufferPointer(rebasing: rest[..<size]),
                window: compression == nil ? .max : Self.windowSizeInflating)
            guard stage == .open || stage == .closing else { return }
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(rebasing: rest[(size - unread)...])
            if unsafe session.isInflating { return unsafe hold(rest) }
        }
    }

    /// Receives many bytes, none of them compressed: window by window, as long as there is time.
    func receiveInWindows(_ bytes: UnsafeMutableRawBufferPointer) {
        if resources.isTurnOver() { return unsafe holdForLater(bytes) }
        let began = resources.codecs.now()
        var last = began
        var rest = unsafe bytes
        while true {
            let unread = unsafe receivePiece(rest, window: Self.windowSize)
            let now = resources.codecs.now()
            resources.longReadNanoseconds &+= now &- last
            last = now
            guard unread > 0, stage == .open || stage == .closing else { return }
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(
                rebasing: rest[(rest.count - unread)...])
            if lifecycle.mustHold { return unsafe hold(rest) }
            if now &- began > TurnQueue.shareMax || resources.isTurnOver() {
                return unsafe holdForLater(rest)
            }
        }
    }

    private func hold(_ bytes: UnsafeMutableRawBufferPointer) {
        // RFC 6455 §5.5.1: bytes after the peer's Close frame don't count.
        if lifecycle.closing.received != nil { return }
        unsafe ensureGuards().hold(bytes)
        countMemory()
        setReadingPaused(true, .held)
    }

    /// Receives, in a later turn, the frames that arrived while the upgrade was being decided on.
    func receiveEarly(_ frames: UnsafeMutableRawBufferPointer) {
        switch stage {
        case .open: unsafe holdForLater(frames)
        case .closing: unsafe receivePiece(frames)
        case .opening, .lingering, .over: break
        }
    }

    private func holdForLater(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe hold(bytes)
        receiveHeldLater()
    }

    /// Parses the held bytes in a later turn, unless reading is paused then.
    func receiveHeldLater() { resources.awaitTurn(self) }

    /// Continues with the bytes that the connection has kept for a later turn.
    func takeTurn() {
        switch stage {
        case .opening: opening?.takeTurn(on: self)
        case .open, .closing: receiveHeld()
        case .lingering, .over: break
        }
    }

    private func receiveHeld() {
        guard pauseReasons == .held, let guards else { return }
        if unsafe session.isInflating {
            resumeInflating()
            guard
                unsafe (stage == .open || stage == .closing) && !session.isInflating
                    && pauseReasons == .held
            else { return }
        }
        var held = guards.takeUnparsed() ?? []
        countMemory()
        setReadingPaused(false, .held)
        unsafe held.withUnsafeMutableBytes {
            if guards.hasRates {
                unsafe receiveInPieces($0, of: Self.pieceSizeByRates)
            } else if compression != nil {
                unsafe receiveInPieces($0, of: Self.pieceSizeInflating)
            } else if unsafe !$0.isEmpty {
                unsafe receiveInWindows($0)
            }
        }
    }
}
