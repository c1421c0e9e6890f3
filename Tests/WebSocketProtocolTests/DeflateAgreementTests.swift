import Testing
import WebSocketProtocol

/// Both roles against each other, and against simple second implementations (twins) that know the
/// rules as lists of texts.
@Suite("Both sides of permessage-deflate agree") struct DeflateAgreementTests {
    private static let flags = ["server_no_context_takeover", "client_no_context_takeover"]

    private static let policies = [
        DeflatePolicy(), .init(server: .allowed), .init(client: .allowed),
        .init(server: .allowed, client: .allowed), .init(serverWindowBits: 9, clientWindowBits: 8),
        .init(serverWindowBits: 9, clientWindowBits: 8, server: .allowed, client: .allowed),
        .init(serverWindowBits: 15, clientWindowBits: 9, server: .allowed),
        .init(serverWindowBits: 15, clientWindowBits: 12, client: .allowed),
    ]

    /// Every possible offer, except for the order of the parameters.
    private static let offers: [ExtensionOffer] = {
        let windows = (8...15).map { "=\($0)" }
        let servers = [""] + windows.map { "server_max_window_bits\($0)" }
        let clients = [""] + ([""] + windows).map { "client_max_window_bits\($0)" }
        return (0..<4).flatMap { set in
            servers.flatMap { server in
                clients.map { client in
                    let texts = [
                        set & 1 == 0 ? "" : flags[0], set & 2 == 0 ? "" : flags[1], server, client,
                    ]
                    return parse(texts)
                }
            }
        }
    }()

    /// An offer with these parameters; empty ones are omitted.
    private static func parse(_ texts: [String]) -> ExtensionOffer {
        let parameters = texts.filter { !$0.isEmpty }.map { text in
            let parts = text.split(separator: "=", omittingEmptySubsequences: false)
            return ExtensionOffer.Parameter(
                name: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : nil)
        }
        return ExtensionOffer(name: "permessage-deflate", parameters: parameters)
    }

    private static func texts(_ offer: ExtensionOffer) -> [String] {
        offer.parameters.map { $0.name + ($0.value.map { "=" + $0 } ?? "") }
    }

    private static func areRight(_ offer: ExtensionOffer, allowed: Set<String>) -> Bool {
        Set(offer.parameters.map(\.name)).count == offer.parameters.count
            && allowed.isSuperset(of: texts(offer)) && offer.name == "permessage-deflate"
    }

    /// Parameters that are valid in a response; `client_max_window_bits` must also have been
    /// offered.
    private static let answerable = Set(
        flags + (8...15).map { "server_max_window_bits=\($0)" }
            + (8...15).map { "client_max_window_bits=\($0)" })

    /// Parameters that the server accepts.
    private static let acceptable = answerable.union(["client_max_window_bits"])
        .subtracting(["server_max_window_bits=8"])

    /// Mostly valid parameters, some invalid ones, and some without meaning.
    private static func random(_ generator: inout SeededGenerator) -> ExtensionOffer {
        let names = flags + ["server_max_window_bits", "client_max_window_bits"]
        let odd = ["7", "16", "08", "+9", "-1", "", "1\u{301}0", "\u{0}", "９", "9 ", "٩"]
        let count = Int.random(in: 0...4, using: &generator)
        var offer = parse(
            (0..<count).map { _ in
                switch Int.random(in: 0..<24, using: &generator) {
                case 0:
                    names.randomElement(using: &generator)! + "="
                        + odd.randomElement(using: &generator)!
                case 1: names.randomElement(using: &generator)! + "=10"
                case 2: names.randomElement(using: &generator)!
                case 3: String("xX=;,\u{0}é9".shuffled(using: &generator).prefix(4))
                default: acceptable.sorted().randomElement(using: &generator)!
                }
            })
        if Int.random(in: 0..<16, using: &generator) == 0 { offer.name = "foo" }
        return offer
    }

    @Test("Both sides of every offer and its response agree, and follow all rules")
    func everyOffer() throws {
        #expect(Self.offers.count == 360)
        for policy in Self.policies {
            for offer in Self.offers {
                let accepted = DeflateParameters.accept([offer], policy: policy)
                guard Self.areRight(offer, allowed: Self.acceptable) else {
                    if accepted != nil { Issue.record("\(offer.headerValue) is accepted") }
                    continue
                }
                let (parameters, response) = try #require(accepted)
                let isSilent = !Self.texts(offer).contains { $0.hasPrefix("server_max_window") }
                let checked = try DeflateParameters.check(response: [response], offered: offer)
                if checked != parameters
                    || !Self.areRight(response, allowed: Self.answerable)
                    || isSilent && response.headerValue.contains("server_max_window")
                    || policy.server == .off && !parameters.serverNoContextTakeover
                    || policy.client == .off && !parameters.clientNoContextTakeover
                    || parameters.deflateWindowBits(as: .server) == nil
                {
                    Issue.record(
                        "\(offer.headerValue), \(policy): \(response.headerValue), \(parameters)")
                }
            }
        }
    }

    @Test("Of random offers, the first valid one is answered as if it were alone")
    func randomOffers() throws {
        var generator = SeededGenerator(seed: 7692)
        var accepted = 0
        for _ in 0..<4_000 {
            let offers = (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                Self.random(&generator)
            }
            let policy = Self.policies.randomElement(using: &generator)!
            let answer = DeflateParameters.accept(offers, policy: policy)
            let first = offers.first { Self.areRight($0, allowed: Self.acceptable) }
            let alone = first.flatMap { DeflateParameters.accept([$0], policy: policy) }
            guard let first, let answer, answer == alone! else {
                if first != nil || answer != nil { Issue.record("\(offers), \(policy)") }
                continue
            }
            accepted += 1
            let checked = try DeflateParameters.check(response: [answer.response], offered: first)
            if checked != answer.parameters { Issue.record("\(first), \(policy)") }
        }
        #expect(accepted > 1_000)
    }

    @Test("Random responses are accepted if they are valid and answer the offer")
    func randomResponses() {
        var generator = SeededGenerator(seed: 6455)
        var taken = 0
        for _ in 0..<16_000 {
            let offer = Self.offers.randomElement(using: &generator)!
            let response = Self.random(&generator)
            guard response.name == offer.name else { continue }
            let names = Set(response.parameters.map(\.name))
            let values = Dictionary(
                response.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
            let answers = offer.parameters.allSatisfy { parameter in
                switch parameter.name {
                case "server_no_context_takeover": names.contains(parameter.name)
                case "server_max_window_bits":
                    Int(values[parameter.name]?.flatMap { $0 } ?? "99") ?? 99
                        <= Int(parameter.value!)!
                default: true
                }
            }
            let mayLimit = offer.parameters.contains { $0.name == "client_max_window_bits" }
            let isRight =
                Self.areRight(response, allowed: Self.answerable) && answers
                && (mayLimit || !names.contains("client_max_window_bits"))
            let agreed = try? DeflateParameters.check(response: [response], offered: offer)
            if (agreed != nil) != isRight {
                Issue.record("\(offer.headerValue) is answered with \(response)")
            }
            taken += isRight ? 1 : 0
        }
        #expect(taken > 800)
    }
}
