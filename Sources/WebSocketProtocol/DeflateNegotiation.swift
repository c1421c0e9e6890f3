extension DeflateParameters {
    /// The extension's registered name (RFC 7692 §9.1).
    package static let extensionName = "permessage-deflate"

    /// As a server: what is agreed with a client that offers this, and the response that says
    /// so; `nil` where no offer is acceptable and the connection goes without.
    ///
    /// Offers are in the client's order of preference, and the first acceptable one wins (§5).
    /// One that isn't is declined without harm to the others or to the connection (§7.1).
    package static func accept(
        _ offers: [ExtensionOffer], policy: DeflatePolicy
    ) -> (parameters: DeflateParameters, response: ExtensionOffer)? {
        for offer in offers where offer.name == extensionName {
            guard let offered = try? DeflateTerms(offer, in: .offer),
                let agreed = answer(to: offered, policy: policy)
            else { continue }
            return (DeflateParameters(agreed), agreed.written(in: .response))
        }
        return nil
    }

    private static func answer(to offered: DeflateTerms, policy: DeflatePolicy) -> DeflateTerms? {
        var agreed = DeflateTerms()
        // §7.1.1.1: offered, it must be in the response; it may be in any.
        agreed.serverNoContextTakeover = offered.serverNoContextTakeover || policy.server == .off
        // §7.1.1.2: likewise, though offered it is only a hint. Gorilla fails without its echo.
        agreed.clientNoContextTakeover = offered.clientNoContextTakeover || policy.client == .off
        if let offeredBits = offered.serverMaxWindowBits {
            // §7.1.2.1: declined if we don't support it.
            guard deflatableWindowBits.contains(offeredBits) else { return nil }
            agreed.serverMaxWindowBits = min(offeredBits, policy.serverWindowBits)
        }  // A response may have it all the same, but nhooyr fails on one that does.
        if let offeredBits = offered.clientMaxWindowBits {
            let bits = min(offeredBits, policy.clientWindowBits)
            agreed.clientMaxWindowBits = bits < 15 ? bits : nil
        }  // §7.1.2.2: a response to an offer without it MUST NOT have it.
        return agreed
    }

    /// As a client: the extension to offer.
    ///
    /// - Parameters:
    ///   - serverNoContextTakeover: The server must not use context takeover.
    ///   - clientNoContextTakeover: We shall not use it, whatever the response says.
    ///   - serverMaxWindowBits: The most that the server may use, 8…15; `nil` to set no limit,
    ///     and be understood by servers that can't have one.
    ///   - clientMaxWindowBits: The most that we shall use, 9…15, and the server may ask for
    ///     less; 15 is offered without a value. `nil` if it may not ask.
    package static func offer(
        serverNoContextTakeover: Bool = false, clientNoContextTakeover: Bool = false,
        serverMaxWindowBits: Int? = nil, clientMaxWindowBits: Int? = 15
    ) -> ExtensionOffer {
        precondition(serverMaxWindowBits.map(windowBits.contains) ?? true, "§7.1.2.1: 8…15")
        precondition(
            clientMaxWindowBits.map(deflatableWindowBits.contains) ?? true,
            "zlib deflates with 9…15")
        var terms = DeflateTerms()
        terms.serverNoContextTakeover = serverNoContextTakeover
        terms.clientNoContextTakeover = clientNoContextTakeover
        terms.serverMaxWindowBits = serverMaxWindowBits
        terms.clientMaxWindowBits = clientMaxWindowBits
        return terms.written(in: .offer)
    }

    /// As a client: what the server agreed to, `nil` if not to this extension; or the reason to
    /// fail the connection (§5, §7.1).
    ///
    /// Other extensions in the response are not looked at.
    ///
    /// - Parameter offered: The one offer that was made, as from ``offer``.
    package static func check(
        response: [ExtensionOffer], offered: ExtensionOffer
    ) throws(DeflateFault) -> DeflateParameters? {
        precondition(offered.name == extensionName)
        let answers = response.filter { $0.name == extensionName }
        guard let answer = answers.first else { return nil }
        // §5: extensions that conflict on RSV1, as two of these do, fail the connection.
        guard answers.count == 1 else { throw .agreedTwice }
        let offered = try DeflateTerms(offered, in: .offer)
        var agreed = try DeflateTerms(answer, in: .response)

        // §7.1.1.1: a server accepts it «by including» it.
        if offered.serverNoContextTakeover, !agreed.serverNoContextTakeover {
            throw .missing(.serverNoContextTakeover)
        }
        // §7.1.1.2: a hint that binds us, whether or not the response has it.
        if offered.clientNoContextTakeover { agreed.clientNoContextTakeover = true }
        // §7.1.2.1: «by including» it «with the same or smaller value». Not offered, it may
        // still be there, and any window is one we can inflate.
        if let offeredBits = offered.serverMaxWindowBits {
            guard let bits = agreed.serverMaxWindowBits else {
                throw .missing(.serverMaxWindowBits)
            }
            guard bits <= offeredBits else { throw .largerThanOffered(.serverMaxWindowBits) }
        }
        if let offeredBits = offered.clientMaxWindowBits {
            // §7.1.2.2: a hint that binds us, even if the response has a greater value or none.
            agreed.clientMaxWindowBits = min(agreed.clientMaxWindowBits ?? 15, offeredBits)
        } else if agreed.clientMaxWindowBits != nil {
            // §7.1.2.2: «MUST NOT».
            throw .notOffered(.clientMaxWindowBits)
        }
        return DeflateParameters(agreed)
    }

    private init(_ terms: DeflateTerms) {
        self.init(
            serverNoContextTakeover: terms.serverNoContextTakeover,
            clientNoContextTakeover: terms.clientNoContextTakeover,
            serverMaxWindowBits: terms.serverMaxWindowBits ?? 15,
            clientMaxWindowBits: terms.clientMaxWindowBits ?? 15)
    }
}

/// Why a client fails the connection over the server's permessage-deflate (RFC 7692 §7.1).
package enum DeflateFault: Error, Sendable, Hashable {
    /// The parameters that the RFC defines, the same in offers and responses.
    package enum Parameter: String, Sendable, CaseIterable {
        case serverNoContextTakeover = "server_no_context_takeover"
        case clientNoContextTakeover = "client_no_context_takeover"
        case serverMaxWindowBits = "server_max_window_bits"
        case clientMaxWindowBits = "client_max_window_bits"
    }

    /// The extension was agreed to more than once.
    case agreedTwice
    /// A parameter that the RFC doesn't define.
    case unknown(String)
    /// A parameter is there more than once.
    case repeated(Parameter)
    /// A parameter has no value where it needs one, one where it takes none, or a wrong one.
    case invalidValue(Parameter)
    /// A parameter was offered, and is not in the response that should accept it.
    case missing(Parameter)
    /// A parameter that a response may have only if it was offered.
    case notOffered(Parameter)
    /// A greater value than the one offered.
    case largerThanOffered(Parameter)
}

/// The parameters of one offer or one response: known, each at most once, in range.
private struct DeflateTerms {
    /// Where they stand; only `client_max_window_bits` differs.
    enum Place { case offer, response }

    var serverNoContextTakeover = false
    var clientNoContextTakeover = false
    var serverMaxWindowBits: Int?
    /// 15 for an offer without a value, which excludes nothing either.
    var clientMaxWindowBits: Int?

    init() {}

    /// Throws for each condition of §7.1 that can be told from the parameters alone: on them a
    /// server declines the offer, and a client fails the connection.
    init(_ terms: ExtensionOffer, in place: Place) throws(DeflateFault) {
        var seen: Set<DeflateFault.Parameter> = []
        for term in terms.parameters {
            guard let parameter = DeflateFault.Parameter(rawValue: term.name) else {
                throw .unknown(term.name)
            }
            guard seen.insert(parameter).inserted else { throw .repeated(parameter) }
            switch parameter {
            case .serverNoContextTakeover, .clientNoContextTakeover:
                // §7.1.1: «This parameter has no value».
                guard term.value == nil else { throw .invalidValue(parameter) }
                if parameter == .serverNoContextTakeover {
                    serverNoContextTakeover = true
                } else {
                    clientNoContextTakeover = true
                }
            case .serverMaxWindowBits:
                guard let bits = term.value.flatMap(Self.windowBits) else {
                    throw .invalidValue(parameter)
                }
                serverMaxWindowBits = bits
            case .clientMaxWindowBits where term.value == nil && place == .offer:
                // §7.1.2.2: it may be offered without a value, not answered without.
                clientMaxWindowBits = 15
            case .clientMaxWindowBits:
                guard let bits = term.value.flatMap(Self.windowBits) else {
                    throw .invalidValue(parameter)
                }
                clientMaxWindowBits = bits
            }
        }
    }

    /// §7.1.2: «a decimal integer value without leading zeroes between 8 to 15, inclusive».
    private static func windowBits(_ value: String) -> Int? {
        guard let bits = Int(value), DeflateParameters.windowBits.contains(bits),
            value == String(bits)  // Neither «08» nor «+8».
        else { return nil }
        return bits
    }

    func written(in place: Place) -> ExtensionOffer {
        var written = ExtensionOffer(name: DeflateParameters.extensionName)
        func write(_ parameter: DeflateFault.Parameter, _ value: Int? = nil) {
            written.parameters.append(.init(name: parameter.rawValue, value: value.map { "\($0)" }))
        }
        if serverNoContextTakeover { write(.serverNoContextTakeover) }
        if clientNoContextTakeover { write(.clientNoContextTakeover) }
        if let bits = serverMaxWindowBits { write(.serverMaxWindowBits, bits) }
        if let bits = clientMaxWindowBits {
            write(.clientMaxWindowBits, place == .offer && bits == 15 ? nil : bits)
        }
        return written
    }
}
