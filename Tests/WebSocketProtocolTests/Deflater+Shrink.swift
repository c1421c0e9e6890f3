import TestSupport
import Testing
import WebSocketProtocol

extension Deflater {
    /// The same as ``compress(_:after:)`` for a message that must shrink.
    mutating func shrink(_ message: [UInt8], after history: [UInt8] = []) throws -> [UInt8] {
        let output = compress(message, after: history)
        return try #require(output)
    }
}
