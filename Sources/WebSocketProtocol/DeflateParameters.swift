/// What two peers agreed on for permessage-deflate (RFC 7692 §7.1); the same value on both sides.
///
/// It says what each side *may* do. Its own deflater may always do less, which every inflater
/// takes: use a smaller window, forget its context, leave a message plain.
package struct DeflateParameters: Sendable, Hashable {
    /// The server starts each message with an empty window (§7.1.1.1).
    package let serverNoContextTakeover: Bool
    /// The client starts each message with an empty window (§7.1.1.2).
    package let clientNoContextTakeover: Bool
    /// Base-2 logarithm of the largest window the server deflates with: 8…15 (§7.1.2.1).
    package let serverMaxWindowBits: Int
    /// Base-2 logarithm of the largest window the client deflates with: 8…15 (§7.1.2.2).
    package let clientMaxWindowBits: Int

    /// The window bits that the RFC knows (§7.1.2).
    package static let windowBits = 8...15

    /// The window bits that zlib's raw deflate knows; it refuses 8, raw inflate does not.
    package static let deflatableWindowBits = 9...15

    /// The defaults are what holds where nothing is said.
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

    /// The window bits for `role`'s own deflater, 9…15: what was agreed, or `wanted` if that is
    /// less. `nil` if 8 was agreed, which zlib can't deflate with: every message of `role` goes
    /// out plain, as any message may (§6). Only a client gets there, since ``accept(_:policy:)``
    /// never agrees to 8 for the server.
    package func deflateWindowBits(as role: Session.Role, atMost wanted: Int = 15) -> Int? {
        precondition(Self.deflatableWindowBits.contains(wanted), "zlib deflates with 9…15")
        let agreed = role == .server ? serverMaxWindowBits : clientMaxWindowBits
        return Self.deflatableWindowBits.contains(agreed) ? min(agreed, wanted) : nil
    }

    /// The least window bits `role`'s own inflater needs, 8…15; more do no harm.
    package func inflateWindowBits(as role: Session.Role) -> Int {
        role == .server ? clientMaxWindowBits : serverMaxWindowBits
    }

    /// Whether `role`'s deflater may refer to earlier messages.
    package func deflateMayKeepContext(as role: Session.Role) -> Bool {
        role == .server ? !serverNoContextTakeover : !clientNoContextTakeover
    }

    /// Whether `role`'s inflater must keep its window from message to message.
    package func inflateMustKeepContext(as role: Session.Role) -> Bool {
        role == .server ? !clientNoContextTakeover : !serverNoContextTakeover
    }
}

/// What a server wants of permessage-deflate, before it has seen a client's offers.
package struct DeflatePolicy: Sendable, Hashable {
    /// Whether one side's messages may refer to earlier ones, for which both sides keep state.
    package enum Takeover: Sendable, Hashable { case off, allowed }

    /// The most window bits that the server's deflater uses: 9…15, default 12.
    ///
    /// It is announced only to a client that limits the server's window itself. For others
    /// it holds silently: pass it to ``DeflateParameters/deflateWindowBits(as:atMost:)``.
    package let serverWindowBits: Int
    /// The most window bits that the client should use: 8…15, default 15.
    ///
    /// A wish: a client that doesn't offer to be limited uses up to 15 (RFC 7692 §7.1.2.2).
    package let clientWindowBits: Int
    /// Of what the server sends. Default off, and said so in every response.
    package var server: Takeover
    /// Of what the client sends. Default off: every client must obey (RFC 7692 §7.1.1.2).
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
