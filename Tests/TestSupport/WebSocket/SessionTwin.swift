package import WebSocketProtocol

/// A slow and simple second implementation of ``Session``, its twin: all bytes at once, frame by
/// frame, in plain arrays.
///
/// It has no fast path, no state between reads and no memory management. It omits one rule of the
/// session, the budget of all partly received messages, because its effect depends on how the bytes
/// are split. ``LedgerInflated/standIn(_:limit:)`` replaces decompression.
package struct SessionTwin {
    /// The result of a stream: the delivered events, then the end.
    package struct Transcript: Equatable {
        package var events: [SessionEvent]
        package var verdict: Verdict

        package init(events: [SessionEvent] = [], verdict: Verdict = .open) {
            self.events = events
            self.verdict = verdict
        }
    }

    package enum Verdict: Equatable {
        case open
        case closed(code: UInt16?, reason: String)
        case failed(code: UInt16)
    }

    private struct Failure: Error { var code: UInt16 }
    private struct Incomplete: Error {}

    private struct Frame {
        var isFinal: Bool
        var opcode: UInt8
        var isMarked: Bool
        /// The unmasked payload, as far as it has arrived.
        var payload: [UInt8]
        /// The length in the header.
        var announced: Int
        var isWhole: Bool { payload.count == announced }
    }

    package let role: Session.Role
    package let limits: SessionLimits
    /// The number of events after which the application closes: messages aren't wanted any more.
    package var eventsWanted = Int.max
    /// Whether permessage-deflate was negotiated.
    package var allowsCompression = false

    private var rest: ArraySlice<UInt8> = []
    private var transcript = Transcript()
    /// The message in progress.
    private var kind: MessageKind?
    private var isCompressed = false
    private var message: [UInt8] = []
    private var fragments = 0

    package init(
        role: Session.Role, limits: SessionLimits, eventsWanted: Int = .max,
        allowsCompression: Bool = false
    ) {
        self.role = role
        self.limits = limits
        self.eventsWanted = eventsWanted
        self.allowsCompression = allowsCompression
    }

    private var wantsMessages: Bool { transcript.events.count < eventsWanted }

    package func read(_ bytes: some Sequence<UInt8>) -> Transcript {
        var twin = self
        twin.rest = Array(bytes)[...]
        while twin.transcript.verdict == .open {
            do {
                try twin.readFrame()
            } catch let failure as Failure {
                twin.transcript.verdict = .failed(code: failure.code)
            } catch {
                break
            }
        }
        return twin.transcript
    }

    private mutating func take(_ count: Int) throws -> [UInt8] {
        guard rest.count >= count else { throw Incomplete() }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private func require(_ condition: Bool, _ code: UInt16 = 1002) throws {
        if !condition { throw Failure(code: code) }
    }

    private mutating func readFrame() throws {
        let start = try take(2)
        let isFinal = start[0] & 0b1000_0000 != 0
        let opcode = start[0] & 0b1111
        let isMarked = start[0] & 0b100_0000 != 0
        let isMasked = start[1] & 0b1000_0000 != 0
        let isControl = opcode >= 8
        var length = UInt64(start[1] & 0b111_1111)
        // Errors that are detected without the rest of the header.
        try require(start[0] & 0b11_0000 == 0 && (allowsCompression || !isMarked))
        try require(isMasked == (role == .server))
        try require(!isControl || length <= 125)

        let form = length
        if form == 126 { length = try take(2).reduce(0) { $0 << 8 | UInt64($1) } }
        if form == 127 { length = try take(8).reduce(0) { $0 << 8 | UInt64($1) } }
        let key = isMasked ? try take(4) : [0, 0, 0, 0]

        try require([0, 1, 2, 8, 9, 10].contains(opcode))
        try require(!isControl || isFinal)
        try require(!isMarked || opcode == 1 || opcode == 2)
        if form == 126 { try require(length >= 126) }
        if form == 127 { try require(length >= 65_536) }
        try require(length < 1 << 63)
        if !isControl {
            try require((opcode == 0) == (kind != nil))
            try checkSize(length, isCompressed: opcode == 0 ? isCompressed : isMarked)
            fragments += 1
            try require(fragments <= limits.fragmentsMax(received: message.count), 1009)
        }
        let masked = try take(min(Int(length), rest.count))
        let payload = masked.enumerated().map { $1 ^ key[$0 % 4] }
        let frame = Frame(
            isFinal: isFinal, opcode: opcode, isMarked: isMarked, payload: payload,
            announced: Int(length))
        if isControl { try readControl(frame) } else { try readData(frame) }
    }

    /// A compressed message, and its frames, may be longer by a 16th and 64 bytes, unless there is
    /// a lower limit for frames.
    private func checkSize(_ length: UInt64, isCompressed: Bool) throws {
        let room = isCompressed ? limits.messageSizeMax / 16 + 64 : 0
        let frameRoom = limits.frameSizeMax < limits.messageSizeMax ? 0 : room
        try require(length <= limits.frameSizeMax + frameRoom, 1009)
        try require(Int(length) <= limits.messageSizeMax + room - message.count, 1009)
    }

    private mutating func readData(_ frame: Frame) throws {
        if frame.opcode != 0 {
            kind = frame.opcode == 1 ? .text : .binary
            isCompressed = frame.isMarked
        }
        if wantsMessages {
            message += frame.payload
            if kind == .text, !isCompressed {
                try require(UTF8Twin.judge(message).failure == nil, 1007)
            }
        }
        guard frame.isWhole else { throw Incomplete() }
        guard frame.isFinal else { return }
        if wantsMessages {
            if isCompressed { message = try inflated(message) }
            try require(kind == .binary || UTF8Twin.judge(message).isComplete, 1007)
            transcript.events.append(.message(kind!, message))
        }
        (kind, message, fragments) = (nil, [], 0)
    }

    private func inflated(_ payload: [UInt8]) throws -> [UInt8] {
        switch LedgerInflated.standIn(payload, limit: limits.messageSizeMax) {
        case .message(let message): return message
        case .corrupt: throw Failure(code: 1007)
        case .tooBig: throw Failure(code: 1009)
        case .noMemory: throw Failure(code: 1013)
        }
    }

    private mutating func readControl(_ frame: Frame) throws {
        guard frame.isWhole else { throw Incomplete() }
        let payload = frame.payload
        switch frame.opcode {
        case 9: transcript.events.append(.ping(payload))
        case 10: transcript.events.append(.pong(payload))
        default:
            if payload.isEmpty {
                transcript.verdict = .closed(code: nil, reason: "")
                return
            }
            try require(payload.count >= 2)
            let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
            let isLocal = [1004, 1005, 1006].contains(code)
            try require((1000...1014).contains(code) && !isLocal || (3000...4999).contains(code))
            let judged = UTF8Twin.judge(payload[2...])
            try require(judged.failure == nil && judged.isComplete, 1007)
            transcript.verdict = .closed(
                code: code, reason: String(decoding: payload[2...], as: UTF8.self))
        }
    }
}

/// One call of a sink.
package enum SessionEvent: Equatable {
    case message(MessageKind, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
}

extension SessionTwin.Transcript {
    /// A summary short enough for the message of a failed test.
    package var summary: String {
        let events = events.map { event in
            switch event {
            case .message(let kind, let payload): "\(kind) \(payload.count)"
            case .ping(let payload): "ping \(payload.count)"
            case .pong(let payload): "pong \(payload.count)"
            }
        }
        return "\(events) \(verdict)"
    }
}
