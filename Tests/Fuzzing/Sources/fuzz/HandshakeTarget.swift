import HTTPProtocol
import HTTPTypes
import WebSocketProtocol

/// Checks the opening handshake for the bytes of a request: an accepted one is valid, and a written
/// one is read back unchanged.
enum HandshakeTarget {
    static func test(_ input: FuzzInput) {
        let bytes = input.rest
        var parser = RequestParser(limits: HTTPLimits())
        let (event, _) = bytes.withUnsafeBytes { parser.parse($0) }
        guard case .head(let head) = event else { return }
        testGrammar(head.request.headerFields)
        do throws(HandshakeFault) {
            testAccepted(try OpeningHandshake.check(head.request), head.request)
        } catch {
            if ![400, 405, 426].contains(error.status.code) { fail("refused with \(error)") }
        }
    }

    private static func testAccepted(_ checked: HandshakeRequest, _ request: HTTPRequest) {
        if !OpeningHandshake.isUpgradeRequest(request) { fail("accepted, but no upgrade") }
        if checked.key.utf8.count != 24 || !checked.key.hasSuffix("==") { fail(checked.key) }
        if Set(checked.subprotocols).count != checked.subprotocols.count { fail("twice") }
        let response = OpeningHandshake.response(
            to: checked, subprotocol: checked.subprotocols.last, extensions: checked.extensions)
        require(response.status, equals: .switchingProtocols, "status")
        require(
            response.headerFields[.secWebSocketProtocol], equals: checked.subprotocols.last,
            "subprotocol")
    }

    private static func testGrammar(_ fields: HTTPFields) {
        if let offers = try? HeaderGrammar.extensions(in: fields), !offers.isEmpty {
            let again: HTTPFields = [.secWebSocketExtensions: ExtensionOffer.headerValue(offers)]
            require(try? HeaderGrammar.extensions(in: again), equals: offers, "extensions")
        }
        if let tokens = try? HeaderGrammar.tokens(.secWebSocketProtocol, in: fields) {
            if !tokens.allSatisfy({ HeaderGrammar.isToken($0) }) { fail("no tokens: \(tokens)") }
            let again: HTTPFields = [.secWebSocketProtocol: tokens.joined(separator: ",")]
            require(
                try? HeaderGrammar.tokens(.secWebSocketProtocol, in: again), equals: tokens,
                "tokens")
        }
    }
}
