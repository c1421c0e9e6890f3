import Foundation
import LoadGenerator
import WebSocketServer

/// The printed form of a message.
struct MessageText {
    /// Whether standard output is a terminal, whose state control characters could change.
    let isTerminal: Bool
    /// Whether messages are printed unchanged.
    let isRaw: Bool

    /// The number of bytes of a binary message that are shown.
    private static let shownMax = 32

    func bytes(of message: Message) -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        switch message.kind {
        case .binary:
            return isRaw ? message.bytes : Array((Self.preview(message.bytes) + "\n").utf8)
        default:
            guard isTerminal, !isRaw else { return message.bytes + [newline] }
            return Array((message.text.escapedForTerminal + "\n").utf8)
        }
    }

    /// Returns a preview: `[binary, 5 bytes] 68 65 6c 6c 6f`.
    static func preview(_ bytes: [UInt8]) -> String {
        let count = "\(Figures.grouped(bytes.count)) \(bytes.count == 1 ? "byte" : "bytes")"
        let shown = bytes.prefix(shownMax).map { String(format: " %02x", $0) }.joined()
        return "[binary, \(count)]\(shown)\(bytes.count > shownMax ? " …" : "")"
    }
}

extension String {
    /// The text with characters escaped that would move a terminal's cursor, change its state or
    /// reverse its direction. Newlines and tabs stay.
    var escapedForTerminal: String {
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isRisky, scalar != "\n", scalar != "\t" {
                text += scalar.escaped(asASCII: true)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The escaped text on one line, for reasons and details that a peer chose.
    var inOneLine: String {
        unicodeScalars.map { $0.isRisky ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}
