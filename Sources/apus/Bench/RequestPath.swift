import ArgumentParser

/// Parses a path of a server, with an optional query, in the form that it has in a URL.
@Sendable func requestPath(_ text: String) throws -> String {
    // RFC 6455 §3: a URL contains no spaces, and a WebSocket URL has no fragment (#).
    let isValid =
        text.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != 0x23 }
    guard isValid else {
        throw ValidationError(
            "\(text) is not a path; allowed: / and what follows it in a URL, without blanks and #")
    }
    return text
}
