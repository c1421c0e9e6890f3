package import WebSocketProtocol

/// One session with its sink, fed piece by piece, and watched for what must always hold.
///
/// Each piece lies in memory of its own, exactly as large as it is.
package final class SessionRun {
    private var session: Session
    package private(set) var sink = LedgerSink()
    /// The first action that was not `.proceed`.
    package private(set) var action = SessionAction.proceed
    private var faults: [String] = []
    /// Whether long frames are read around the shared buffer, as a connection does.
    package var usesReadTarget = false
    /// Bytes after which the session is to yield; what it has not read is fed again.
    package var window = Int.max
    /// Pieces of bytes that were read straight into the session's memory.
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

    /// Where the next bytes would be read to; its size, 0 for the shared buffer.
    package func readTargetSize(atMost: Int) -> Int {
        session.readTarget(atMost: atMost, into: &sink).count
    }

    /// Feeds a piece; where the session wants its own read buffer, as much of it as fits there,
    /// then the rest.
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

    /// The first answer that isn't to yield.
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

    /// Ends the connection; returns what should not have happened, in sentences.
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
    /// A mebibyte and 1,024 fragments, as a server has them by default.
    package static var generous: SessionLimits {
        SessionLimits(frameSizeMax: 1 << 20, messageSizeMax: 1 << 20, fragmentsMax: 1_024)
    }
}

/// Feeds a stream cut at `cuts` (ascending offsets) to a session. The second result tells what
/// should not have happened. Where compression is agreed on, a stand-in inflates.
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
