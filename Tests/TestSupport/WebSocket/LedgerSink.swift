package import WebSocketProtocol

/// A sink that records all events, and keeps a ledger of the memory that it lends.
///
/// Buffers have exactly the requested size, so that AddressSanitizer detects each byte beyond it.
/// Violations become sentences in `faults`.
package struct LedgerSink: SessionSink {
    package var events: [SessionEvent] = []
    package var faults: [String] = []
    /// Messages are wanted until there are this many events.
    package var eventsWanted = Int.max
    /// The bytes that may be lent at once; beyond it, `grow` refuses.
    package var budget = Int.max
    /// The number of bytes passed to the session, set by the caller.
    package var bytesFed = 0

    package private(set) var buffersOut = 0
    package private(set) var bytesOut = 0
    package private(set) var bytesOutPeak = 0
    package private(set) var grown = 0
    package private(set) var refused = 0

    /// The bytes that may be allocated beyond twice the received ones: one read buffer of a long
    /// frame.
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

    /// The decompressed messages, in order. Further messages are corrupt.
    package var inflated: [LedgerInflated] = []
    /// Compressed messages are decompressed by ``LedgerInflated/standIn(_:limit:)``.
    package var inflatesByStandIn = false
    /// The compressed payloads that the session passed on.
    package private(set) var compressed: [[UInt8]] = []
    private var inflatedMemory: [UInt8] = []
    /// The numbers of turns, used in rotation, for which messages are unfinished before they are
    /// decompressed.
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
            // The memory stays in place until the next call, which is all that is required.
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

/// The outcome of a compressed message in a ``LedgerSink``.
package enum LedgerInflated {
    case message([UInt8])
    case tooBig
    case noMemory
    case corrupt

    /// Replaces a decompressor: the payload is doubled, unless its first byte, one that no text
    /// contains, stands for a failure.
    package static func standIn(_ payload: [UInt8], limit: Int) -> LedgerInflated {
        switch payload.first {
        case 0xFF: .corrupt
        case 0xFE: .noMemory
        default: 2 * payload.count > limit ? .tooBig : .message(payload + payload)
        }
    }
}
