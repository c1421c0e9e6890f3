/// The negotiated parameters of permessage-deflate (RFC 7692 §7.1), the same value on both sides.
///
/// They are limits: a side may always use a smaller window, drop its context, or send a message
/// uncompressed.
package struct DeflateParameters: Sendable, Hashable {
    /// Whether the server starts each message with an empty window (§7.1.1.1).
    package let serverNoContextTakeover: Bool
    /// Whether the client starts each message with an empty window (§7.1.1.2).
    package let clientNoContextTakeover: Bool
    /// The largest window with which the server compresses, as a power of two: 8…15 (§7.1.2.1).
    package let serverMaxWindowBits: Int
    /// The largest window with which the client compresses, as a power of two: 8…15 (§7.1.2.2).
    package let clientMaxWindowBits: Int

    /// The window bits that the RFC allows (§7.1.2).
    package static let windowBits = 8...15

    /// The window bits that zlib can compress with. It can decompress with 8 too.
    package static let deflatableWindowBits = 9...15

    /// Creates parameters. The defaults are those of an offer without parameters.
    package init(
        serverNoContextTakeover: Bool = false, clientNoContextTakeover: Bool = false,
        serverMaxWindowBits: Int = 15, clientMaxWindowBits: Int = 15
    ) {
        precondition(Self.windowBits.contains(serverMaxWindowBits), "RFC 7692 §7.1.2.1: 8…15")
        precondition(Self.windowBits.contains(clientMaxWindowBits), "RFC 7692 §7.1.2.2: 8…15")
        self.serverNoContextTakeover = serverNoContextTakeover
        self.clientNoContextTakeover = clientNoContextTakeover
        self.serverMaxWindowBits = serverMaxWindowBits
        self.clientMaxWindowBits = clientMaxWindowBits
    }

    /// Returns the window bits with which `role` compresses, 9…15: the negotiated ones, or `wanted`
    /// if that is less. Returns `nil` if 8 was negotiated, with which zlib can't compress: `role`
    /// then sends every message uncompressed, as it may (§6). That concerns clients only, because
    /// ``accept(_:policy:)`` never accepts 8 for the server.
    package func deflateWindowBits(as role: Session.Role, atMost wanted: Int = 15) -> Int? {
        precondition(Self.deflatableWindowBits.contains(wanted), "zlib deflates with 9…15")
        let agreed = role == .server ? serverMaxWindowBits : clientMaxWindowBits
        return Self.deflatableWindowBits.contains(agreed) ? min(agreed, wanted) : nil
    }

    /// Returns the least window bits with which `role` can decompress, 8…15. More do no harm.
    package func inflateWindowBits(as role: Session.Role) -> Int {
        role == .server ? clientMaxWindowBits : serverMaxWindowBits
    }

    /// Returns whether the messages of `role` may refer to earlier ones.
    package func deflateMayKeepContext(as role: Session.Role) -> Bool {
        role == .server ? !serverNoContextTakeover : !clientNoContextTakeover
    }

    /// Returns whether `role` must keep its window for decompression between messages.
    package func inflateMustKeepContext(as role: Session.Role) -> Bool {
        role == .server ? !clientNoContextTakeover : !serverNoContextTakeover
    }
}

/// The preferences of a server for permessage-deflate.
package struct DeflatePolicy: Sendable, Hashable {
    /// Whether the messages of one side may refer to earlier ones, for which both sides keep state.
    package enum Takeover: Sendable, Hashable { case off, allowed }

    /// The largest window with which the server compresses: 9…15 bits, default 12.
    ///
    /// It is announced only to clients that limit the server's window themselves. For all others,
    /// pass it to ``DeflateParameters/deflateWindowBits(as:atMost:)``.
    package let serverWindowBits: Int
    /// The largest window with which the client should compress: 8…15 bits, default 15. A client
    /// that doesn't offer `client_max_window_bits` may use up to 15 (RFC 7692 §7.1.2.2).
    package let clientWindowBits: Int
    /// The context takeover of the server's messages. Default off, which every response announces.
    package var server: Takeover
    /// The context takeover of the client's messages. Default off, which every client must obey
    /// (RFC 7692 §7.1.1.2).
    package var client: Takeover

    package init(
        serverWindowBits: Int = 12, clientWindowBits: Int = 15, server: Takeover = .off,
        client: Takeover = .off
    ) {
        precondition(
            DeflateParameters.deflatableWindowBits.contains(serverWindowBits),
            "zlib deflates with 9…15")
        precondition(
            DeflateParameters.windowBits.contains(clientWindowBits), "RFC 7692 §7.1.2.2: 8…15")
        self.serverWindowBits = serverWindowBits
        self.clientWindowBits = clientWindowBits
        self.server = server
        self.client = client
    }
}
