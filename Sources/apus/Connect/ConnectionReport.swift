import AppInput
import HTTPProtocol
import HTTPTypes
import LoadGenerator
import TLSFilter
import WebSocketServer

/// The report of `apus connect` on a connection's end, and the resulting exit status.
struct ConnectionReport {
    let text: String
    let status: Int32
    /// Whether the report is printed only on a terminal.
    var isNote = false

    /// - Parameter closedHere: Whether this side closed first.
    init(_ end: ConnectionEnd, closedHere: Bool, pongTimeout: Duration) {
        let reason = end.reason.inOneLine
        guard end.isClean else {
            status = 1
            switch reason {
            case "heartbeat timeout":
                text =
                    "the connection was lost: nothing came from the server within "
                    + "\(Figures.number(pongTimeout.inSeconds)) s after a ping"
            case "close timeout": text = "the server did not answer the Close frame"
            default:
                let code = CloseCode.abnormalClosure
                text =
                    "the connection was lost: \(code), the server sent no Close frame"
                    + (reason.isEmpty ? "" : " (\(reason))")
            }
            return
        }
        let normal: [CloseCode] = [.normalClosure, .goingAway, .noStatusReceived]
        status = normal.contains(end.code) ? 0 : 1
        isNote = closedHere && status == 0
        text =
            (closedHere ? "closed: " : "closed by the server: ") + "\(end.code)"
            + (reason.isEmpty || "\(end.code)".hasSuffix("(\(reason))") ? "" : ": \(reason)")
    }

    /// Creates the report on a connection that could not be made.
    init(_ error: ClientError) {
        status = 1
        guard let response = error.response else {
            text = Self.text(of: error).inOneLine
            return
        }
        var text = "refused: the server answered \(response.status)".inOneLine
        if let detail = Self.detail(error.body) { text += ": \(detail.inOneLine)" }
        self.text = text + Self.advice(response)
    }

    /// Returns the reason of an error, with advice if it is TLS.
    private static func text(of error: ClientError) -> String {
        (error.underlying as? TLSClient.Fault)?.withAdvice ?? error.detail
    }

    /// Returns the explanation in a refusal's body: the detail of problem+json (RFC 9457 §3.1.4),
    /// or else a text of one short line.
    static func detail(_ body: [UInt8]) -> String? {
        if let members = try? JSONMembers(body) {
            let text = (try? members.text("detail")) ?? (try? members.text("title"))
            return text?.string
        }
        // As bytes: Swift's strings take long to compare and search some texts that a server may
        // choose.
        let blanks = Array(" \t\r\n".utf8)
        var line = body[...]
        while let first = line.first, blanks.contains(first) { line.removeFirst() }
        while let last = line.last, blanks.contains(last) { line.removeLast() }
        guard (1...200).contains(line.count), line.first != UInt8(ascii: "<"),
            !line.contains(UInt8(ascii: "\n"))
        else { return nil }
        return ExactString(validating: line)?.string
    }

    private static func advice(_ response: HTTPResponse) -> String {
        switch response.status.code {
        case 401: "\n  Give a valid token in APUS_TOKEN or with --token."
        case 403: "\n  A token (--token) or another origin (--origin) may be needed."
        case 404: "\n  Check the path of the URL."
        case 200: "\n  This path answers plain HTTP requests, no WebSocket."
        case 300..<400:
            response.headerFields[.location].map {
                "\n  Redirects aren't followed. Connect to the new place: \($0.inOneLine)"
            } ?? ""
        default: ""
        }
    }
}
