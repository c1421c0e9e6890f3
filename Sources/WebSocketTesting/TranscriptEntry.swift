/// A read or write of the server, see ``TestServer/transcript``.
public struct TranscriptEntry: Sendable, Hashable, CustomStringConvertible {
    /// The direction of the bytes, as the server sees it.
    public enum Direction: Sendable {
        /// The server has read the bytes.
        case received
        /// The server has written the bytes.
        case sent
    }

    /// The time on the server's clock, from the start of the test.
    public let time: Duration
    /// The number of the connection, see ``TestConnection/number``.
    public let connection: Int
    /// The direction of the bytes.
    public let direction: Direction
    /// The bytes of one read or write.
    public let bytes: [UInt8]

    public var description: String {
        let text = bytes.prefix(32).map {
            0x20..<0x7F ~= $0 ? String(UnicodeScalar($0)) : "\\x\(String($0, radix: 16))"
        }.joined()
        let arrow = direction == .received ? ">" : "<"
        return "\(time) #\(connection) \(arrow) \(bytes.count) bytes: \(text)"
    }
}
