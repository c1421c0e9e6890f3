package import WebSocketProtocol

/// A session with its sink, fed piece by piece, with checks of its invariants.
///
/// Each piece lies in separate memory of exactly its size.
package final class SessionRun {
    private var session: Session
    package private(set) var sink = LedgerSink()
    /// The first action except `.proceed`.
    package private(set) var action = SessionAction.proceed
    private var faults: [String] = []
    /// Whether long frames are read directly, as a connection does.
    package var usesReadTarget = false
    /// The number of bytes after which the session must yield. Unread bytes are fed again.
    package var window = Int.max
    /// The number of pieces that were read directly into the session's memory.
    package private(set) var directReads = 0

    package init(
        role: Session.Role, limits: SessionLimits = .generous, eventsWanted: Int = .max,
        budget: Int = .max, allowsCompression: Bool = false, inflated: [LedgerInflated] = [],
        inflatesByStandIn: Bool = false
    ) {
        session = Session(role: role, limits: limits, allowsCompression: allowsCompression)
        sink.inflated = inflated
        sink.inflatesByStandIn = inflatesByStandIn
        // Every second message takes three turns.
        sink.turnsToInflate = inflatesByStandIn ? [0, 2] : [0]
        sink.eventsWanted = eventsWanted
        sink.budget = budget
    }

    package var transcript: SessionTwin.Transcript {
        let verdict: SessionTwin.Verdict =
            switch action {
            case .proceed, .yield: .open
            case .closeReceived(let code, let reason): .closed(code: code?.rawValue, reason: reason)
            case .fail(let fault): .failed(code: fault.code.rawValue)
            }
        return .init(events: sink.events, verdict: verdict)
    }

    package var isBetweenMessages: Bool { session.isBetweenMessages }
    package var wantsOwnReadBuffer: Bool { session.wantsOwnReadBuffer }

    /// The size of the memory for a direct read, or 0 for the shared buffer.
    package func readTargetSize(atMost: Int) -> Int {
        session.readTarget(atMost: atMost, into: &sink).count
    }

    /// Feeds a piece. If the session wants a direct read, feeds first what fits there, then the
    /// rest.
    package func feed(_ bytes: some Collection<UInt8>) {
        var rest = Array(bytes)[...]
        repeat {
            if usesReadTarget, session.wantsOwnReadBuffer {
                let target = session.readTarget(atMost: max(1, rest.count), into: &sink)
                if target.count > 0 {
                    let piece = rest.prefix(target.count)
                    target.copyBytes(from: piece)
                    directReads += 1
                    receive(target.baseAddress!, count: piece.count)
                    rest = rest.dropFirst(piece.count)
                    continue
                }
            }
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: rest.count, alignment: 1)
            defer { piece.deallocate() }
            piece.copyBytes(from: rest)
            if let base = piece.baseAddress { receive(base, count: rest.count) }
            rest = []
        } while !rest.isEmpty
    }

    private func receive(_ bytes: UnsafeMutableRawPointer, count: Int) {
        sink.bytesFed += count
        let isOver = action != .proceed
        let events = sink.events.count
        let answer = receiveYielding(bytes, count: count)
        if isOver {
            if answer != .proceed { faults.append("after its end it says \(answer)") }
            if sink.events.count != events { faults.append("after its end it delivers") }
        } else {
            action = answer
        }
        if action != .proceed || session.isBetweenMessages, sink.buffersOut != 0 {
            faults.append("memory is kept with nothing half received")
        }
    }

    /// Returns the first result other than yielding.
    private func receiveYielding(_ bytes: UnsafeMutableRawPointer, count: Int) -> SessionAction {
        var unread = count
        var answer = session.receive(bytes, count: count, window: window, into: &sink)
        while case .yield(let left) = answer {
            if session.isInflating {
                repeat { answer = session.resume(into: &sink) } while session.isInflating
                guard answer == .proceed else { return answer }
            } else if left >= unread {
                faults.append("it yields and has read nothing")
                return .proceed
            }
            unread = left
            if unread == 0 { return .proceed }
            answer = session.receive(
                bytes + count - unread, count: unread, window: window, into: &sink)
        }
        return answer
    }

    /// Ends the connection. Returns the violations as sentences.
    package func end() -> [String] {
        session.discard(into: &sink)
        var byte: UInt8 = 0x81
        let events = sink.events.count
        let answer = session.receive(&byte, count: 1, into: &sink)
        if answer != .proceed || sink.events.count != events {
            faults.append("after `discard` it reads on")
        }
        if sink.buffersOut != 0 || sink.bytesOut != 0 {
            faults.append("\(sink.bytesOut) bytes in \(sink.buffersOut) buffers not given back")
        }
        return faults + sink.faults
    }
}

extension SessionLimits {
    /// A mebibyte and 1,024 fragments, the defaults of a server.
    package static var generous: SessionLimits {
        SessionLimits(frameSizeMax: 1 << 20, messageSizeMax: 1 << 20, fragmentsMax: 1_024)
    }
}

/// Feeds a stream, split at `cuts` (ascending offsets), to a session. The second result contains
/// the violations. With compression, a stand-in decompresses.
package func readStream(
    _ bytes: [UInt8], cuts: [Int] = [], role: Session.Role, limits: SessionLimits = .generous,
    eventsWanted: Int = .max, usesReadTarget: Bool = false, allowsCompression: Bool = false,
    window: Int = .max
) -> (transcript: SessionTwin.Transcript, faults: [String]) {
    let run = SessionRun(
        role: role, limits: limits, eventsWanted: eventsWanted,
        allowsCompression: allowsCompression, inflatesByStandIn: true)
    run.usesReadTarget = usesReadTarget
    run.window = window
    var start = 0
    for end in cuts + [bytes.count] {
        run.feed(bytes[start..<end])
        start = end
    }
    let transcript = run.transcript
    return (transcript, run.end())
}
