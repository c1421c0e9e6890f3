import CLibuv
import Glibc
import TLSFilter

/// The handshake of a transport. It continues even while the stream has paused reading.
///
/// A server makes the session with the client's first byte, so that silent connections cost little.
extension TLSTransport {
    func start(_ make: () throws(TLSFailure) -> TLSSession) {
        do throws(TLSFailure) {
            session = try make()
            phase = .handshake
            if let handshakes {
                isListed = true
                handshakeBegan = loop.nanoseconds
                handshakes.begin(self)
            }
        } catch {
            fail(UV_ENOMEM.rawValue)
        }
    }

    /// Starts TLS after the preamble.
    ///
    /// - Parameter bytes: The bytes that were received together with the preamble, after it.
    func beginTLS(after bytes: UnsafeRawBufferPointer) {
        precondition(phase == .preamble)
        early = unsafe ArraySlice(bytes)
        phase = .silent
        // In a later turn: this is called from within a read.
        if !early.isEmpty {
            isDeferred = true
            phase = .handshake
            signal()
        }
        updatePoll()
    }

    /// Does the next step of the handshake, or defers it if handshakes have used up their share of
    /// this turn.
    func advance() {
        guard phase == .silent || phase == .handshake else { return }
        guard handshakes?.hasTime(on: loop) ?? true else {
            isDeferred = true
            phase = .handshake
            return signal()
        }
        isDeferred = false
        if session == nil, case .server(let context, let handshakes) = role {
            guard hasFirstByte() else { return }
            handshakes.timed(on: loop) {
                start { () throws(TLSFailure) in
                    try TLSSession(accepting: context, wire: self)
                }
            }
            guard phase == .handshake else { return }
        }
        guard let session else { return }
        let result = handshakes?.timed(on: loop) { session.shakeHands() } ?? session.shakeHands()
        switch result {
        case 1:
            unlist()
            handshakes?.succeeded(
                isResumed: session.isResumed, began: handshakeBegan, on: loop)
            early = []
            phase = .open
            readiness.insert(.writable)
            // The read that brought the last message may have brought more.
            if session.hasBuffered || !isDrained { readiness.insert(.readable) }
        case TLSSession.wouldBlock: break
        default: refuse(session)
        }
    }

    /// Returns whether the first byte has arrived. If the connection has ended before it, which
    /// isn't a failed handshake, reports the end to the stream.
    private func hasFirstByte() -> Bool {
        if !early.isEmpty { return true }
        var byte: UInt8 = 0
        let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
        let count = unsafe recv(descriptor, &byte, 1, flags)
        if count > 0 { return true }
        if count < 0, errno == EAGAIN || errno == EINTR {
            phase = .silent
        } else {
            fail(count == 0 ? UV_EOF.rawValue : UV_ECONNRESET.rawValue)
        }
        return false
    }

    /// Ends a handshake that has failed. OpenSSL has sent an alert.
    private func refuse(_ session: TLSSession) {
        unlist()
        let isPlainText = helloVerdict == .plainText
        if isPlainText {
            handshakes?.sawPlainText()
            if let answer = handshakes?.answerToPlainText {
                unsafe answer.withUnsafeBytes {
                    unsafe _ = apus_send(descriptor, $0.baseAddress!, $0.count)
                }
            }
        } else {
            handshakes?.failed(stream, failureReason(of: session))
        }
        guard case .server = role else { return fail(UV_EPROTO.rawValue) }
        // A socket that is closed with unread bytes is reset, and the peer would lose the answer.
        shutdown(descriptor, Int32(SHUT_WR))
        self.session = nil
        early = []
        phase = .refused
        discard()
    }

    private func failureReason(of session: TLSSession) -> String {
        if helloVerdict == .invalid { return "no ClientHello, or one that is too big" }
        if handshakeSize > Self.handshakeSizeMax { return "the handshake is too big" }
        return session.failure ?? "unknown"
    }

    /// Ends the handshake, because too many are in progress.
    func giveUp() {
        unlist()
        session = nil
        fail(UV_ECONNABORTED.rawValue)
    }

    func unlist() {
        guard isListed else { return }
        isListed = false
        handshakes?.end(self)
    }

    private func fail(_ code: Int32) {
        phase = .failed
        failureCode = code
        signal()
        updatePoll()
    }

    /// Discards what a refused peer sends, until it has closed.
    func discard() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 16) { buffer in
            for _ in 0..<16 {
                let count = unsafe apus_receive(descriptor, buffer.baseAddress!, buffer.count)
                if count == Int(UV_EAGAIN.rawValue) { return }
                if count <= 0 { return fail(count == 0 ? UV_EOF.rawValue : Int32(count)) }
            }
        }
    }
}
