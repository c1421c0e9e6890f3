extension DeflateParameters {
    /// The registered name of the extension (RFC 7692 §9.1).
    package static let extensionName = "permessage-deflate"

    /// Negotiates as a server: returns the parameters and the response, or `nil` if no offer is
    /// acceptable and the connection has no compression.
    ///
    /// Offers are in the client's order of preference; the first acceptable one is used (§5). An
    /// unacceptable offer is declined and has no effect on the others or the connection (§7.1).
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
        // §7.1.1.1: required in the response if it was offered, and allowed in any response.
        agreed.serverNoContextTakeover = offered.serverNoContextTakeover || policy.server == .off
        // §7.1.1.2: an offer of it is only a hint, but Gorilla fails if it isn't in the response.
        agreed.clientNoContextTakeover = offered.clientNoContextTakeover || policy.client == .off
        if let offeredBits = offered.serverMaxWindowBits {
            // §7.1.2.1: an unsupported value declines the offer.
            guard deflatableWindowBits.contains(offeredBits) else { return nil }
            agreed.serverMaxWindowBits = min(offeredBits, policy.serverWindowBits)
        }  // A response may have it without an offer, but nhooyr fails on that.
        if let offeredBits = offered.clientMaxWindowBits {
            let bits = min(offeredBits, policy.clientWindowBits)
            agreed.clientMaxWindowBits = bits < 15 ? bits : nil
        }  // §7.1.2.2: without an offer, the response MUST NOT have it.
        return agreed
    }

    /// Returns the offer of a client.
    ///
    /// - Parameters:
    ///   - serverNoContextTakeover: Whether the server must not use context takeover.
    ///   - clientNoContextTakeover: Whether the client won't use it, whatever the response says.
    ///   - serverMaxWindowBits: The largest window of the server, 8…15. `nil` sets no limit, which
    ///     servers without support for it understand too.
    ///   - clientMaxWindowBits: The largest window of the client, 9…15; the server may ask for a
    ///     smaller one. 15 is offered without a value. `nil` if the server may not ask.
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

    /// Negotiates as a client: returns the parameters of a response, or `nil` if it doesn't have
    /// this extension. Throws the reason to fail the connection (§5, §7.1).
    ///
    /// Other extensions in the response are ignored.
    ///
    /// - Parameter offered: The only offer that was made, as ``offer`` returned it.
    package static func check(
        response: [ExtensionOffer], offered: ExtensionOffer
    ) throws(DeflateFault) -> DeflateParameters? {
        precondition(offered.name == extensionName)
        let answers = response.filter { $0.name == extensionName }
        guard let answer = answers.first else { return nil }
        // §5: two extensions that use RSV1 conflict, and fail the connection.
        guard answers.count == 1 else { throw .agreedTwice }
        let offered = try DeflateTerms(offered, in: .offer)
        var agreed = try DeflateTerms(answer, in: .response)

        // §7.1.1.1: a server accepts it "by including" it.
        if offered.serverNoContextTakeover, !agreed.serverNoContextTakeover {
            throw .missing(.serverNoContextTakeover)
        }
        // §7.1.1.2: this hint binds us, even if the response doesn't have it.
        if offered.clientNoContextTakeover { agreed.clientNoContextTakeover = true }
        // §7.1.2.1: accepted "by including" it "with the same or smaller value". A response may
        // also have it without an offer; we can decompress with any window.
        if let offeredBits = offered.serverMaxWindowBits {
            guard let bits = agreed.serverMaxWindowBits else {
                throw .missing(.serverMaxWindowBits)
            }
            guard bits <= offeredBits else { throw .largerThanOffered(.serverMaxWindowBits) }
        }
        if let offeredBits = offered.clientMaxWindowBits {
            // §7.1.2.2: this hint binds us, even if the response has a greater value or none.
            agreed.clientMaxWindowBits = min(agreed.clientMaxWindowBits ?? 15, offeredBits)
        } else if agreed.clientMaxWindowBits != nil {
            // §7.1.2.2: the response MUST NOT have it.
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

/// The reason for which a client rejects a server's permessage-deflate (RFC 7692 §7.1).
package enum DeflateFault: Error, Sendable, Hashable {
    /// The parameters that the RFC defines, for offers and responses.
    package enum Parameter: String, Sendable, CaseIterable {
        case serverNoContextTakeover = "server_no_context_takeover"
        case clientNoContextTakeover = "client_no_context_takeover"
        case serverMaxWindowBits = "server_max_window_bits"
        case clientMaxWindowBits = "client_max_window_bits"
    }

    /// The extension is in the response more than once.
    case agreedTwice
    /// The response has an undefined parameter.
    case unknown(String)
    /// A parameter is repeated.
    case repeated(Parameter)
    /// A parameter's value is missing, invalid, or not allowed.
    case invalidValue(Parameter)
    /// An offered parameter is missing from the response.
    case missing(Parameter)
    /// The response has a parameter that it may have only if it was offered.
    case notOffered(Parameter)
    /// The value is greater than the offered one.
    case largerThanOffered(Parameter)
}

/// The valid parameters of one offer or response: defined, not repeated, in range.
private struct DeflateTerms {
    /// The place of the parameters, which matters only for `client_max_window_bits`.
    enum Place { case offer, response }

    var serverNoContextTakeover = false
    var clientNoContextTakeover = false
    var serverMaxWindowBits: Int?
    /// The value; 15 for an offer without one, which allows all.
    var clientMaxWindowBits: Int?

    init() {}

    /// Parses parameters. Throws for each condition of §7.1 that depends on nothing else: a server
    /// then declines the offer, and a client fails the connection.
    init(_ terms: ExtensionOffer, in place: Place) throws(DeflateFault) {
        var seen: Set<DeflateFault.Parameter> = []
        for term in terms.parameters {
            guard let parameter = DeflateFault.Parameter(rawValue: term.name) else {
                throw .unknown(term.name)
            }
            guard seen.insert(parameter).inserted else { throw .repeated(parameter) }
            switch parameter {
            case .serverNoContextTakeover, .clientNoContextTakeover:
                // §7.1.1: "This parameter has no value".
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
                // §7.1.2.2: the value may be missing in an offer, not in a response.
                clientMaxWindowBits = 15
            case .clientMaxWindowBits:
                guard let bits = term.value.flatMap(Self.windowBits) else {
                    throw .invalidValue(parameter)
                }
                clientMaxWindowBits = bits
            }
        }
    }

    /// Parses "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2).
    private static func windowBits(_ value: String) -> Int? {
        guard let bits = Int(value), DeflateParameters.windowBits.contains(bits),
            value == String(bits)  // Neither "08" nor "+8".
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
