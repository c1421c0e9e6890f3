import CLibuv
import Glibc
import TLSFilter

/// TLS between a stream and its socket. For its loop's thread.
final class TLSTransport: StreamTransport {
    enum Phase: UInt8 {
        /// The bytes before TLS pass unchanged, until ``beginTLS(after:)``.
        case preamble
        /// A server awaits the client's first byte.
        case silent
        case handshake
        case open
        /// The handshake has failed, and the peer has an alert or another answer. Further bytes of
        /// the peer are discarded.
        case refused
        case failed
    }

    /// The role of this side, and what its session needs.
    enum Role {
        case server(TLSServerContext, TLSHandshakes)
        case client(TLSClientContext, host: String)
    }

    /// The most records that one call reads, so that tiny ones don't take more than a share of the
    /// turn.
    private static let recordsMax = 64
    /// The most bytes that a client may send for its handshake, its certificates included.
    static let handshakeSizeMax = 64 << 10
    /// The most bytes before TLS that one read returns. Bytes of TLS among them have to be copied.
    private static let preambleReadSize = 4 << 10

    /// The size of OpenSSL's buffer for received records.
    private static let recordBufferSize = 17 << 10

    let role: Role
    let loop: EventLoop
    private var poll: SocketPoll?
    var session: TLSSession?
    var phase: Phase
    /// The events of the socket that have not been used up.
    var readiness: StreamEvents = []
    /// The events that wait for the opposite one of the socket: for an update of keys, OpenSSL may
    /// have to write before it can read on, or read before it can write on.
    private var crossed: StreamEvents = []
    /// Whether the last read has emptied the socket: it returned fewer bytes than it could.
    var isDrained = false
    /// Whether further records of the same call follow the one that is written.
    var moreFollows = false
    /// Whether `close_notify` waits for room in the socket.
    private var owesFinish = false
    /// Whether a step of the handshake waits for a later turn.
    var isDeferred = false
    private var helloCheck = ClientHelloCheck()
    private(set) var helloVerdict = ClientHelloCheck.Verdict.fine
    private(set) var handshakeSize = 0
    /// Ciphertext that came with the bytes before TLS.
    var early: ArraySlice<UInt8> = []
    /// The time of the client's first byte, by the loop's clock in nanoseconds.
    var handshakeBegan: UInt64 = 0
    var failureCode: Int32 = 0
    /// Whether the session holds a part of a record, or records that have not been read.
    private var holdsRecord = false

    // The neighbours among the handshakes in progress.
    // Safety: a transport leaves the list before it goes.
    unowned(unsafe) var older: TLSTransport?
    unowned(unsafe) var newer: TLSTransport?
    var isListed = false

    /// Takes over a connected descriptor; on an error it is closed.
    ///
    /// - Parameter awaitsPreamble: Whether other bytes come before TLS.
    init(
        _ role: Role, loop: EventLoop, ownedDescriptor descriptor: Int32,
        awaitsPreamble: Bool = false
    ) throws(TransportError) {
        self.role = role
        self.loop = loop
        phase = awaitsPreamble ? .preamble : .silent
        super.init()
        poll = try SocketPoll(loop: loop, ownedDescriptor: descriptor, transport: self)
    }

    var descriptor: Int32 { poll?.descriptor ?? -1 }

    /// The reason why the session has failed; `nil` if it hasn't.
    var failure: TLSClient.Fault? {
        guard let session, let reason = session.failure else { return nil }
        return TLSClient.Fault(
            description: "TLS: \(reason)", isOfCertificate: session.isCertificateRefused)
    }

    var handshakes: TLSHandshakes? {
        if case .server(_, let handshakes) = role { handshakes } else { nil }
    }

    // MARK: - Events

    override func attached() {
        if case .client(let context, let host) = role {
            start { () throws(TLSFailure) in
                try TLSSession(connecting: context, host: host, wire: self)
            }
            advance()
        }
        updatePoll()
    }

    override func wantedChanged() { updatePoll() }

    override func signalled() {
        guard isDeferred else { return }
        advance()
        updatePoll()
    }

    func updatePoll() {
        var events: StreamEvents = []
        switch phase {
        case .preamble: events = wanted.intersection(.readable)
        case .silent: events = .readable
        case .handshake:
            if !isDeferred { events = session?.waitsForOutput == true ? .writable : .readable }
        case .open:
            events = wanted.subtracting(crossed)
            if owesFinish || crossed.contains(.readable) { events.insert(.writable) }
            if crossed.contains(.writable) { events.insert(.readable) }
        case .refused: events = .readable
        case .failed: break
        }
        poll?.poll(for: events)
    }

    /// Handles readiness of the socket.
    func polled(_ events: StreamEvents) {
        // The stream may let go of the transport.
        withExtendedLifetime(self) {
            if events.contains(.readable) { isDrained = false }
            readiness.formUnion(events.union(crossed))
            crossed = []
            switch phase {
            case .silent, .handshake: advance()
            case .refused: discard()
            case .open: if owesFinish { finishSending() }
            case .preamble, .failed: break
            }
            if !wanted.isDisjoint(with: ready) { dispatch() }
            updatePoll()
        }
    }

    override var ready: StreamEvents {
        switch phase {
        case .silent, .handshake: []
        case .preamble: readiness.intersection(.readable)
        // Not what OpenSSL holds: a part of a record can't be read before the rest arrives.
        case .open: readiness
        case .refused: []
        case .failed: [.readable, .writable]
        }
    }

    // MARK: - As a transport

    override func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch phase {
        case .preamble:
            let count = unsafe apus_receive(
                descriptor, buffer.baseAddress!, min(buffer.count, Self.preambleReadSize))
            if count < 0 { readiness.remove(.readable) }
            return count
        case .silent, .handshake, .refused: return Int(UV_EAGAIN.rawValue)
        case .failed:
            return failureCode == UV_EOF.rawValue ? 0 : Int(failureCode)
        case .open: return unsafe read(into: buffer)
        }
    }

    /// Reads records until the buffer is full or the socket is drained.
    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let session else { return Int(UV_EBADF.rawValue) }
        var total = 0
        for _ in 0..<Self.recordsMax {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[total...])
            let count = unsafe session.read(into: rest)
            guard count > 0 else {
                if count == TLSSession.wouldBlock {
                    block(.readable, crosses: session.waitsForOutput)
                } else if total == 0 {
                    return end(session, count)
                }
                break
            }
            total += count
            if total == buffer.count { break }
            if isDrained, !session.hasBuffered {
                readiness.remove(.readable)
                break
            }
        }
        noteHeldSize(session)
        return total > 0 ? total : Int(UV_EAGAIN.rawValue)
    }

    /// Notes that an event is used up.
    ///
    /// - Parameter crosses: Whether the opposite event has to come first.
    func block(_ event: StreamEvents, crosses: Bool) {
        readiness.remove(event)
        guard crosses != crossed.contains(event) else { return }
        crossed.formSymmetricDifference(event)
        updatePoll()
    }

    /// OpenSSL keeps its buffer while there is a part of a record in it.
    private func noteHeldSize(_ session: TLSSession) {
        guard session.hasBuffered != holdsRecord else { return }
        holdsRecord.toggle()
        stream?.transportHeldSizeChanged()
    }

    override var heldSize: Int { holdsRecord ? Self.recordBufferSize : 0 }

    /// Returns the end of the stream, or the error that ends it.
    private func end(_ session: TLSSession, _ result: Int) -> Int {
        if result == TLSSession.failed, let failure = session.failure {
            handshakes?.failed(stream, failure)
        }
        if result != 0 { failureCode = Int32(result) }
        return result
    }

    override func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        unsafe send(bytes, isLast: true)
    }

    override func send(parts: UnsafeMutableBufferPointer<iovec>) -> Int {
        unsafe sendGathered(parts)
    }

    override func finishSending() {
        if phase == .open, let session {
            owesFinish = session.finish() == TLSSession.wouldBlock
            if owesFinish { return updatePoll() }
        }
        shutdown(descriptor, Int32(SHUT_WR))
        updatePoll()
    }

    override func close(reset: Bool) {
        unlist()
        if reset {
            var abort = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        } else if phase == .open, let session {
            _ = session.finish()
        }
        session = nil
        phase = .failed
        poll?.close()
        poll = nil
    }

    override var unacknowledgedCount: Int { Int(apus_unacknowledged(descriptor)) }

    override var acknowledgedCount: Int? {
        let count = apus_acknowledged(descriptor)
        return count < 0 ? nil : count
    }
}

extension TLSTransport: TLSWire {
    func receiveCiphertext(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count: Int
        if !early.isEmpty {
            count = min(early.count, buffer.count)
            unsafe early.prefix(count).withUnsafeBytes { unsafe buffer.copyMemory(from: $0) }
            early = early.dropFirst(count)
        } else if isDrained {
            return TLSSession.wouldBlock
        } else {
            count = unsafe apus_receive(descriptor, buffer.baseAddress!, buffer.count)
            if count > 0 ? count < buffer.count : count == TLSSession.wouldBlock {
                isDrained = true
            }
        }
        guard phase == .handshake, count > 0, case .server = role else { return count }
        handshakeSize += count
        unsafe helloVerdict = helloCheck.check(
            UnsafeRawBufferPointer(start: buffer.baseAddress, count: count))
        let isFine = helloVerdict == .fine && handshakeSize <= Self.handshakeSizeMax
        return isFine ? count : TLSSession.failed
    }

    func sendCiphertext(_ bytes: UnsafeRawBufferPointer) -> Int {
        moreFollows
            ? unsafe apus_send_more(descriptor, bytes.baseAddress!, bytes.count)
            : unsafe apus_send(descriptor, bytes.baseAddress!, bytes.count)
    }
}
