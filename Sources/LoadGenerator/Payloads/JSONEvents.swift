/// JSON messages: order-book updates as an exchange sends them.
enum JSONEvents {
    static let pairs = ["BTC-USD", "ETH-USD", "SOL-USD", "BTC-EUR", "ETH-BTC", "XRP-USD"]
    /// The smallest size that has room for an update with a change.
    private static let updateSizeMin = 220

    /// Returns exactly `size` bytes of valid JSON; an empty message stays empty.
    static func message(_ size: Int, _ random: inout LoadRandom) -> [UInt8] {
        var text =
            size < updateSizeMin ? small(size, &random) : update(size, &random)
        text.append(contentsOf: repeatElement(0x20, count: size - text.count))
        return text
    }

    private static func update(_ size: Int, _ random: inout LoadRandom) -> [UInt8] {
        let sequence = 4_000_000_000 + random.below(900_000_000)
        let time = timestamp(&random)
        var text = Array(
            """
            {"type":"l2update","product_id":"\(random.pick(pairs))","sequence":\(sequence),\
            "time":"\(time)","changes":[
            """.utf8)
        var price = 2_000_000 + random.below(8_000_000)
        var isFirst = true
        while size - text.count > 200 {
            price += random.below(2_001) - 1_000
            let side = random.below(2) == 0 ? "buy" : "sell"
            let quantity = "\(random.below(4)).\(padded(random.below(100_000_000), 8))"
            text += Array(
                "\(isFirst ? "" : ",")[\"\(side)\",\"\(cents(price))\",\"\(quantity)\"]".utf8)
            isFirst = false
            if random.below(12) == 0, size - text.count > 400 {
                let words = (0..<4 + random.below(12)).map { _ in random.pick(Prose.words) }
                text += Array(
                    """
                    ,{"chat":{"user":"u\(random.below(5_000))","room":"\(random.pick(pairs))",\
                    "text":"\(words.joined(separator: " "))"}}
                    """.utf8)
            }
        }
        text += Array("],\"note\":\"".utf8)
        fill(&text, upTo: size - 2, &random)
        return text + Array("\"}".utf8)
    }

    /// Returns as many fields as fit, then words.
    private static func small(_ size: Int, _ random: inout LoadRandom) -> [UInt8] {
        // A number is valid JSON too.
        guard size >= 8 else { return (0..<size).map { _ in UInt8(0x31 + random.below(9)) } }
        var text: [UInt8] = Array("{".utf8)
        let fields = [
            "\"price\":\(cents(2_000_000 + random.below(8_000_000))),",
            "\"pair\":\"\(random.pick(pairs))\",",
            "\"sequence\":\(4_000_000_000 + random.below(900_000_000)),",
            "\"time\":\"\(timestamp(&random))\",",
            "\"type\":\"ticker\",",
        ]
        for field in fields where text.count + field.utf8.count + 7 <= size {
            text += Array(field.utf8)
        }
        text += Array("\"n\":\"".utf8)
        fill(&text, upTo: size - 2, &random)
        return text + Array("\"}".utf8)
    }

    private static func fill(_ text: inout [UInt8], upTo size: Int, _ random: inout LoadRandom) {
        while text.count < size {
            text += Array(random.pick(Prose.words).utf8).prefix(size - text.count)
            if text.count < size { text.append(0x20) }
        }
    }

    static func timestamp(_ random: inout LoadRandom) -> String {
        let day = padded(1 + random.below(28), 2)
        let clock = "\(padded(random.below(24), 2)):\(padded(random.below(60), 2))"
        let seconds = "\(padded(random.below(60), 2)).\(padded(random.below(1_000_000), 6))"
        return "2026-11-\(day)T\(clock):\(seconds)Z"
    }

    static func cents(_ value: Int) -> String { "\(value / 100).\(padded(value % 100, 2))" }

    static func padded(_ value: Int, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
