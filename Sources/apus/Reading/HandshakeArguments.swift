import ArgumentParser
import Foundation
import HTTPTypes
import WebSocketServer

/// Parses a WebSocket URL from the command line. Errors do not repeat a password in it.
func webSocketURL(_ text: String, hasTLS: Bool = true) throws(ValidationError) -> WebSocketURL {
    guard !WebSocketURL.hasUserInformation(text) else {
        throw ValidationError(
            """
            a user or password in a URL isn't supported. Remove it, and send a header instead: \
            --header 'Authorization: …'
            """)
    }
    do {
        return try WebSocketURL(text, hasTLS: hasTLS)
    } catch {
        throw ValidationError(error.detail)
    }
}

/// Parses the `Name: value` argument of a `--header`.
@Sendable func headerField(_ text: String) throws -> HTTPField {
    guard let colon = text.firstIndex(of: ":"),
        let name = HTTPField.Name(String(text[..<colon]))
    else {
        throw ValidationError("a header has the form 'Name: value'")
    }
    if let reason = reservedFields[name.canonicalName] {
        throw ValidationError("the header \(name) can't be set: \(reason)")
    }
    let value = String(text[text.index(after: colon)...])
    guard !value.utf8.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) else {
        throw ValidationError("the value of the header \(name) has control characters")
    }
    return HTTPField(name: name, value: value.trimmingCharacters(in: .whitespaces))
}

/// Parses the argument of a `--subprotocol` (RFC 6455 §4.1: a token).
@Sendable func subprotocol(_ text: String) throws -> String {
    guard HTTPField.Name(text) != nil else {
        throw ValidationError(
            "'\(text)' is not a subprotocol's name: letters, digits and !#$%&'*+-.^_`|~ are "
                + "allowed; repeat --subprotocol for several")
    }
    return text
}

/// The header fields that the handshake sets itself, in lower case, with the option or rule that
/// sets each.
private let reservedFields = [
    "host": "it is the URL's host and port",
    "connection": "the handshake sets it",
    "upgrade": "the handshake sets it",
    "content-length": "an opening handshake has no body",
    "transfer-encoding": "an opening handshake has no body",
    "sec-websocket-key": "the handshake sets it",
    "sec-websocket-version": "the handshake sets it",
    "sec-websocket-accept": "only servers send it",
    "sec-websocket-protocol": "use --subprotocol",
    "sec-websocket-extensions": "use --compression",
]
