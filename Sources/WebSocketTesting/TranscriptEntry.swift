/// A read or write of the server, see ``TestServer/transcript``.
public struct TranscriptEntry: Sendable, Hashable, CustomStringConvertible {
    public enum Direction: Sendable { case received, sent }

    /// The time on the server's clock, from the start of the test.
    public let time: Duration
    /// The number of the connection, see ``TestConnection/number``.
    public let connection: Int
    public let direction: Direction
    public let bytes: [UInt8]

    public var description: String {
        let text = bytes.prefix(32).map {
            0x20..<0x7F ~= $0 ? String(UnicodeScalar($0)) : "\\x\(String($0, radix: 16))"
        }.joined()
        let arrow = direction == .received ? ">" : "<"
        return "\(time) #\(connection) \(arrow) \(bytes.count) bytes: \(text)"
    }
}
