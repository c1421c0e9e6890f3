/// A compressed message, valid or invalid, with everything that determines the outcome.
struct DeflateInput {
    var message: [UInt8]
    var history: [UInt8]
    var limit: Int
}

/// Returns messages of many kinds by a seed: complete, mutated, truncated, random, from scripts,
/// and bombs.
struct DeflateInputs {
    var random: SeededGenerator
    private let history: [UInt8]
    private let whole: [[UInt8]]
    private let limitMax = 1 << 14

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        // A history, to which half of them may refer.
        let history = DeflateSamples.json(6_000, seed: seed + 1)
        let samples = [10, 200, 900, 1_500, 3_000].map { DeflateSamples.json($0, seed: seed) }
        var whole = [0, 1, 6].flatMap { PlainZlib.deflate(samples, level: $0) }
        whole += samples.flatMap { [$0, $0 + history.suffix(400)] }.map { sample in
            PlainZlib.deflate([history, sample], level: 6, keepContext: true)[1]
        }
        whole += [
            DeflateSamples.finished + whole[6] + DeflateSamples.finished,
            PlainZlib.deflate([DeflateSamples.noise(1_500, seed: seed)])[0],
            PlainZlib.deflate([[UInt8](repeating: 7, count: 100_000)])[0],
        ]
        self.history = history
        self.whole = whole
    }

    mutating func next() -> DeflateInput {
        let kind = Int.random(in: 0..<8, using: &random)
        let sizes = [0, 1, 100, 5_999, 6_000]
        let history = Array(history.suffix(sizes.randomElement(using: &random)!))
        var message: [UInt8]
        switch kind {
        case 0: message = random.bytes(Int.random(in: 1...60, using: &random))
        case 1...3: message = DeflateScript.message(after: history.count, using: &random)
        default: message = whole.randomElement(using: &random)!
        }
        if kind == 3 || kind > 4 { mutate(&message) }
        let limits = [0, 1, 50, 199, 200, 201, 1_500, limitMax, limitMax]
        return DeflateInput(
            message: message, history: history, limit: limits.randomElement(using: &random)!)
    }

    private mutating func mutate(_ message: inout [UInt8]) {
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            guard !message.isEmpty else { break }
            // Mutations of headers matter most.
            let span = Bool.random(using: &random) ? min(message.count, 80) : message.count
            let place = Int.random(in: 0..<span, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: message[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: message[place] = .random(in: 0...255, using: &random)
            case 2: message.remove(at: place)
            case 3: message.insert(.random(in: 0...255, using: &random), at: place)
            case 4: message.removeSubrange(place...)
            default: message += message[place...].prefix(200)
            }
        }
    }
}
