package import WebSocketProtocol

/// A sink that keeps all it is told, and the books of the memory that it lends.
///
/// Buffers are exactly as large as asked for, so that AddressSanitizer sees each byte past one.
/// What should not happen becomes a sentence in `faults`.
package struct LedgerSink: SessionSink {
    package var events: [SessionEvent] = []
    package var faults: [String] = []
    /// The session's answer is sought until there are this many events.
    package var eventsWanted = Int.max
    /// Bytes that may be lent at once; `grow` says no past it.
    package var budget = Int.max
    /// Bytes that have been given to the session, set by whoever gives them.
    package var bytesFed = 0

    package private(set) var buffersOut = 0
    package private(set) var bytesOut = 0
    package private(set) var bytesOutPeak = 0
    package private(set) var grown = 0
    package private(set) var refused = 0

    /// What may be allocated beyond twice the bytes that came: one read buffer of a long frame.
    package static let slack = 32 << 10

    package var wantsMessages: Bool { events.count < eventsWanted }

    package mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind) {
        if !wantsMessages { faults.append("a message came after the application had closed") }
        events.append(.message(kind, Array(payload)))
    }

    package mutating func ping(_ payload: UnsafeRawBufferPointer) {
        events.append(.ping(Array(payload)))
    }

    package mutating func pong(_ payload: UnsafeRawBufferPointer) {
        events.append(.pong(Array(payload)))
    }

    package mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int)
        -> Bool
    {
        if capacity <= buffer.capacity { faults.append("grown to \(capacity), which it has") }
        if expected < capacity { faults.append("\(capacity) asked for, \(expected) expected") }
        if capacity > 2 * bytesFed + Self.slack {
            faults.append("\(capacity) asked for when \(bytesFed) had come")
        }
        guard capacity <= budget - bytesOut + buffer.capacity else {
            refused += 1
            return false
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: capacity)
        if let base = buffer.base {
            memory.copyMemory(from: base, byteCount: buffer.count)
            base.deallocate()
        } else {
            buffersOut += 1
        }
        bytesOut += capacity - buffer.capacity
        bytesOutPeak = max(bytesOutPeak, bytesOut)
        grown += 1
        buffer.base = memory
        buffer.capacity = capacity
        return true
    }

    /// What compressed messages inflate to, in order; without any more, they are corrupt.
    package var inflated: [LedgerInflated] = []
    /// Compressed messages inflate to what ``LedgerInflated/standIn(_:limit:)`` makes of them.
    package var inflatesByStandIn = false
    /// The compressed payloads that the session wanted inflated.
    package private(set) var compressed: [[UInt8]] = []
    private var inflatedMemory: [UInt8] = []
    /// How often messages, in turns, are unfinished before they are inflated.
    package var turnsToInflate = [0]
    private var turnsLeft: Int?
    package private(set) var discarded = 0

    package mutating func inflate(_ payload: UnsafeRawBufferPointer, limit: Int) -> InflatedMessage
    {
        let left = turnsLeft ?? turnsToInflate[compressed.count % turnsToInflate.count]
        if left > 0 {
            if turnsLeft == nil { unfinished = Array(payload) }
            turnsLeft = left - 1
            if Array(payload) != unfinished { faults.append("goes on with another payload") }
            return .unfinished
        }
        if turnsLeft != nil, Array(payload) != unfinished {
            faults.append("goes on with another payload")
        }
        turnsLeft = nil
        compressed.append(Array(payload))
        let result =
            inflatesByStandIn
            ? LedgerInflated.standIn(Array(payload), limit: limit)
            : inflated.isEmpty ? .corrupt : inflated.removeFirst()
        switch result {
        case .corrupt: return .corrupt
        case .message(let bytes):
            inflatedMemory = bytes
            // Its memory stays where it is until the next call, which is all that is asked.
            return .message(inflatedMemory.withUnsafeBytes { $0 })
        case .tooBig: return .tooBig
        case .noMemory: return .noMemory
        }
    }

    private var unfinished: [UInt8] = []

    package mutating func discardInflation() {
        if turnsLeft == nil { faults.append("nothing is unfinished") }
        turnsLeft = nil
        discarded += 1
    }

    package mutating func release(_ buffer: inout AssemblyBuffer) {
        if buffer.count > buffer.capacity { faults.append("more is in a buffer than it holds") }
        if let base = buffer.base {
            base.deallocate()
            buffersOut -= 1
            bytesOut -= buffer.capacity
        } else {
            faults.append("released without memory")
        }
        buffer = AssemblyBuffer()
    }
}

/// What a ``LedgerSink`` makes of a compressed message.
package enum LedgerInflated {
    case message([UInt8])
    case tooBig
    case noMemory
    case corrupt

    /// What a payload says alone, in place of an inflater: it is doubled, unless its first byte,
    /// one that no text has, stands for a failure.
    package static func standIn(_ payload: [UInt8], limit: Int) -> LedgerInflated {
        switch payload.first {
        case 0xFF: .corrupt
        case 0xFE: .noMemory
        default: 2 * payload.count > limit ? .tooBig : .message(payload + payload)
        }
    }
}
