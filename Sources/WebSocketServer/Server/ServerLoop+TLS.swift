import HTTPTypes
import HTTPProtocol
import UVTransport

/// TLS on the connections of one loop.
extension ServerLoop {
    /// Makes the handshakes of a loop, which share the limit of the server.
    static func makeHandshakes(
        _ configuration: ServerConfiguration, warnings: ServerWarnings
    ) -> TLSHandshakes {
        TLSHandshakes(
            max: handshakesMax(configuration),
            answerToPlainText: answerToPlainText
        ) { stream, reason in
            let peer = (stream as? ConnectionCore)?.peer
            warnings.failedTLS.log([
                "peer": "\(peer.map { "\($0)" } ?? "unknown")", "reason": "\(reason)",
            ])
        }
    }

    /// Returns the share of one loop in the limit of handshakes.
    static func handshakesMax(_ configuration: ServerConfiguration) -> Int {
        max(1, configuration.limits.handshakesMax / configuration.loopCount)
    }

    /// The response to a request in plain text on a connection that should be TLS.
    private static var answerToPlainText: [UInt8] {
        let text = "This port speaks TLS: use https:// or wss:// in the URL.\n"
        var fields = HTTPFields()
        fields[.contentType] = "text/plain; charset=utf-8"
        var response: [UInt8] = []
        ResponseEncoder.encode(
            HTTPResponse(status: .badRequest, headerFields: fields), body: Array(text.utf8),
            isHead: false, keepAlive: false, date: nil, into: &response)
        return response
    }
}

extension LoopResources {
    /// The counts of TLS handshakes so far.
    var tlsCounts: TLSCounts {
        var counts = TLSCounts()
        guard let all = handshakes?.counts else { return counts }
        counts.completed = all.completed
        counts.resumed = all.resumed
        counts.failed = all.failed
        counts.plainText = all.plainText
        counts.evicted = all.evicted
        return counts
    }
}
