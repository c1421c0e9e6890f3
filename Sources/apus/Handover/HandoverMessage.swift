import UVTransport
import WebSocketServer

/// The messages of a hand-over, on a Unix-domain stream between a process and its successor.
///
/// The predecessor sends an ``Offer`` as soon as the successor connects: a length of four bytes, then
/// text, and behind it one byte for each descriptor, which comes with it. The successor sends
/// ``ready`` once it accepts connections. The predecessor answers ``drains``, or ``gaveUp`` if it
/// has waited for too long.
enum HandoverMessage {
    static let ready = UInt8(ascii: "R")
    static let drains = UInt8(ascii: "D")
    static let gaveUp = UInt8(ascii: "N")

    /// The seconds that either side waits for the other's next bytes.
    static let timeout = 10
    /// The seconds that a successor may take to become ready.
    static let readyTimeout = 60
    private static let sizeMax: UInt32 = 1 << 20
    private static let greeting = "apus handover 1"

    /// A socket that listens.
    struct Listening: Sendable {
        /// The server that it is for.
        enum Role: String, Sendable, CaseIterable { case open = "public", admin }

        let role: Role
        /// The address in the configuration, as text.
        let address: String
        let descriptor: Int32
    }

    /// The descriptors that are handed over.
    struct Offer: Sendable {
        /// The socket by which the successor hands over in turn.
        var handover: Int32
        /// The listening sockets, each with the text of its address in the configuration.
        var listeners: [Listening]

        func send(on socket: DescriptorSocket) throws(TransportError) {
            var lines = [greeting, "handover"]
            lines += listeners.map { "\($0.role.rawValue) \($0.address)" }
            let text = Array(lines.joined(separator: "\n").utf8)
            let size = UInt32(text.count)
            try socket.send((0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) } + text)
            try socket.send(descriptor: handover)
            for listener in listeners { try socket.send(descriptor: listener.descriptor) }
        }

        /// Receives an offer, whose descriptors the caller owns.
        ///
        /// - Throws: ``HandoverError``, or the ``TransportError`` of the socket.
        static func receive(from socket: DescriptorSocket) throws -> Offer {
            let size = try socket.receive(4).reduce(0) { $0 << 8 | UInt32($1) }
            guard size <= sizeMax else { throw HandoverError.unknownVersion }
            let text = String(decoding: try socket.receive(Int(size)), as: UTF8.self)
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
            guard lines.popFirst() == greeting[...], lines.popFirst() == "handover" else {
                throw HandoverError.unknownVersion
            }
            let handover = try socket.receiveDescriptor()
            var listeners: [Listening] = []
            for line in lines {
                let words = line.split(separator: " ", maxSplits: 1)
                guard words.count == 2, let role = Listening.Role(rawValue: String(words[0])) else {
                    throw HandoverError.unknownVersion
                }
                listeners.append(
                    Listening(
                        role: role, address: String(words[1]),
                        descriptor: try socket.receiveDescriptor()))
            }
            return Offer(handover: handover, listeners: listeners)
        }
    }
}

/// The reason why a hand-over has failed.
struct HandoverError: Error, CustomStringConvertible {
    let description: String

    static let unknownVersion = HandoverError(
        description: """
            the process that listens there is not an apus of a version that can hand over to this \
            one. Stop it first.
            """)
}
