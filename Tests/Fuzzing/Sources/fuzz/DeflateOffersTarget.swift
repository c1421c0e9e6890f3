import HTTPTypes
import WebSocketProtocol

/// Checks the negotiation of permessage-deflate against a second implementation of RFC 7692 §7.1:
/// any header as the offers to a server, and as the response to a client.
enum DeflateOffersTarget {
    static func test(_ input: FuzzInput) {
        var input = input
        let windows = Int(input.choice())
        let flags = input.choice()
        let policy = DeflatePolicy(
            serverWindowBits: 9 + windows % 7, clientWindowBits: 8 + windows / 7 % 8,
            server: flags & 1 == 0 ? .off : .allowed, client: flags & 2 == 0 ? .off : .allowed)
        let bits = Int(input.choice())
        let offer = DeflateParameters.offer(
            serverNoContextTakeover: flags & 4 != 0, clientNoContextTakeover: flags & 8 != 0,
            serverMaxWindowBits: flags & 16 != 0 ? 8 + bits % 8 : nil,
            clientMaxWindowBits: flags & 32 != 0 ? 9 + bits / 8 % 7 : nil)
        testServer([offer], policy)
        if let answer = DeflateParameters.accept([offer], policy: policy) {
            testClient([answer.response], offer)
        } else if Rules(offer)?["server_max_window_bits"] != "8" {
            fail("our server declines our client's \(offer.headerValue)")
        }

        var fields = HTTPFields()
        for line in input.rest.split(separator: UInt8(ascii: "\n")) {
            fields.append(
                HTTPField(
                    name: .secWebSocketExtensions, value: String(decoding: line, as: UTF8.self)))
        }
        guard let extensions = try? HeaderGrammar.extensions(in: fields) else { return }
        testServer(extensions, policy)
        testClient(extensions, offer)
    }

    private static func testServer(_ offers: [ExtensionOffer], _ policy: DeflatePolicy) {
        let answer = DeflateParameters.accept(offers, policy: policy)
        let first = offers.first { offer in
            // 8 is the only valid window with which zlib can't compress.
            guard let rules = Rules(offer) else { return false }
            return rules.areRight(in: .offer) && rules["server_max_window_bits"] != "8"
        }
        guard let answer, let first, let rules = Rules(answer.response), let asked = Rules(first)
        else {
            if answer != nil || first != nil {
                fail("\(offers), but \(String(describing: answer))")
            }
            return
        }
        let (parameters, said) = (answer.parameters, answer.response.headerValue)
        if !rules.areRight(in: .response) || !rules.answers(asked) { fail(said) }
        for (name, takeover) in [("server", policy.server), ("client", policy.client)] {
            let flag = name + "_no_context_takeover"
            // It is in the response if it was requested, and if the policy wants it.
            let isSaid = asked[flag] != nil || takeover == .off
            if (rules[flag] != nil) != isSaid { fail("\(flag): \(said)") }
        }
        // Real clients fail on parameters that they didn't offer.
        if asked["server_max_window_bits"] == nil, rules["server_max_window_bits"] != nil {
            fail(said)
        }
        if rules.bits("server_max_window_bits") > max(policy.serverWindowBits, 9),
            asked["server_max_window_bits"] != nil
        {
            fail("above the policy: \(said)")
        }
        if rules.bits("client_max_window_bits") > policy.clientWindowBits,
            asked["client_max_window_bits"] != nil
        {
            fail("above the policy: \(said)")
        }
        require(parameters, equals: rules.agreed(with: asked), said)
        let checked = try? DeflateParameters.check(response: [answer.response], offered: first)
        require(checked, equals: parameters, "\(said) for \(first.headerValue)")
    }

    private static func testClient(_ response: [ExtensionOffer], _ offer: ExtensionOffer) {
        let answers = response.filter { $0.name == "permessage-deflate" }
        do throws(DeflateFault) {
            let agreed = try DeflateParameters.check(response: response, offered: offer)
            guard let agreed else {
                if !answers.isEmpty { fail("\(response) not seen") }
                return
            }
            guard answers.count == 1, let rules = Rules(answers[0]), let asked = Rules(offer),
                rules.areRight(in: .response), rules.answers(asked)
            else { fail("\(response) taken for \(offer.headerValue)") }
            require(agreed, equals: rules.agreed(with: asked), "\(response)")
        } catch {
            if answers.count == 1, let rules = Rules(answers[0]), let asked = Rules(offer),
                rules.areRight(in: .response), rules.answers(asked)
            {
                fail("\(answers[0].headerValue) refused for \(offer.headerValue): \(error)")
            }
        }
    }
}

/// The parameters of one offer or response as texts; "" means no value.
private struct Rules {
    enum Place { case offer, response }

    private var values: [String: String] = [:]
    private let name: String

    /// `nil` if a parameter is repeated.
    init?(_ extension_: ExtensionOffer) {
        name = extension_.name
        for parameter in extension_.parameters {
            let value = parameter.value ?? ""
            guard values.updateValue(value, forKey: parameter.name) == nil else { return nil }
        }
    }

    subscript(name: String) -> String? { values[name] }

    func bits(_ name: String) -> Int { Int(values[name] ?? "") ?? 15 }

    /// Returns whether all parameters are known and have valid values.
    func areRight(in place: Place) -> Bool {
        let windows = (8...15).map(String.init)
        return name == "permessage-deflate"
            && values.allSatisfy { name, value in
                switch name {
                case "server_no_context_takeover", "client_no_context_takeover": value == ""
                case "server_max_window_bits": windows.contains(value)
                case "client_max_window_bits":
                    windows.contains(value) || value == "" && place == .offer
                default: false
                }
            }
    }

    /// Returns whether a valid response may answer this offer.
    func answers(_ offer: Rules) -> Bool {
        if offer["server_no_context_takeover"] != nil, self["server_no_context_takeover"] == nil {
            return false
        }
        if offer["server_max_window_bits"] != nil {
            guard self["server_max_window_bits"] != nil,
                bits("server_max_window_bits") <= offer.bits("server_max_window_bits")
            else { return false }
        }
        return offer["client_max_window_bits"] != nil || self["client_max_window_bits"] == nil
    }

    /// The parameters in effect: those of the response, and the client's own hints.
    func agreed(with offer: Rules) -> DeflateParameters {
        DeflateParameters(
            serverNoContextTakeover: self["server_no_context_takeover"] != nil,
            clientNoContextTakeover: self["client_no_context_takeover"] != nil
                || offer["client_no_context_takeover"] != nil,
            serverMaxWindowBits: bits("server_max_window_bits"),
            clientMaxWindowBits: min(
                bits("client_max_window_bits"), offer.bits("client_max_window_bits")))
    }
}
