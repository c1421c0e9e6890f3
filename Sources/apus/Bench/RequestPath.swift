import ArgumentParser

/// Reads a path of a server, with a query or without, as it stands in a URL.
@Sendable func requestPath(_ text: String) throws -> String {
    // RFC 6455 §3: blanks can't be in a URL, and a WebSocket URL has no fragment (#).
    let isValid =
        text.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != 0x23 }
    guard isValid else {
        throw ValidationError(
            "\(text) is not a path; allowed: / and what follows it in a URL, without blanks and #")
    }
    return text
}
