/// Text messages that are not JSON: chat, ticks, logs.
enum Prose {
    static let words = [
        "the", "order", "book", "moved", "again", "market", "is", "thin", "who", "bought", "that",
        "size", "on", "close", "looking", "at", "spread", "latency", "spike", "maybe", "wait",
        "for", "fills", "long", "short", "ok", "thanks", "see", "chart", "above", "support",
        "today", "news", "rate", "decision", "soon", "volume", "up",
    ]
    private static let ends = [".", ".", "?", "!", ","]
    private static let levels = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"]
    private static let services = ["gateway", "orders", "ledger", "auth", "quotes"]
    private static let paths = ["orders", "accounts", "quotes", "positions", "sessions"]

    /// Returns exactly `size` bytes of sentences.
    static func message(_ size: Int, _ random: inout LoadRandom) -> [UInt8] {
        lines(size, &random) { random in
            let count = 3 + random.below(9)
            let sentence = (0..<count).map { _ in random.pick(words) }.joined(separator: " ")
            return sentence + random.pick(ends) + " "
        }
    }

    /// Returns exactly `size` bytes of the lines that `line` makes; the last one is cut.
    static func lines(
        _ size: Int, _ random: inout LoadRandom, _ line: (inout LoadRandom) -> String
    ) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(size)
        while text.count < size { text += Array(line(&random).utf8).prefix(size - text.count) }
        return text
    }

    static func tick(_ random: inout LoadRandom) -> String {
        let time = 1_795_500_000_000 + random.below(10_000_000)
        let price = JSONEvents.cents(2_000_000 + random.below(100_000))
        let quantity = "0.\(JSONEvents.padded(random.below(100_000_000), 8))"
        let side = random.below(2) == 0 ? "buy" : "sell"
        return "\(random.pick(JSONEvents.pairs)),\(time),\(price),\(quantity),\(side)\n"
    }

    static func logLine(_ random: inout LoadRandom) -> String {
        let service = "\(random.pick(services))[\(1_000 + random.below(40))]"
        let request = "GET /api/v1/\(random.pick(paths))/\(random.below(100_000))"
        let outcome = "\(random.pick([200, 200, 200, 201, 304, 404, 500])) \(random.below(900))ms"
        let peer = "user=u\(random.below(5_000)) ip=10.0.\(random.below(8)).\(random.below(256))"
        let time = JSONEvents.timestamp(&random)
        return "\(time) \(random.pick(levels)) \(service): \(request) \(outcome) \(peer)\n"
    }
}
