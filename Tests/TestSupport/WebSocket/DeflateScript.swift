/// Random deflate data: blocks of all types and codes of all shapes, mostly valid, some slightly
/// invalid. It reaches states that mutations of a compressor's output don't.
package struct DeflateScript<Random: RandomNumberGenerator> {
    private var random: Random
    private var writer = BitWriter()
    /// The longest valid distance at this point.
    private var size: Int

    /// Creates a message without its tail, after a history of the given size.
    package static func message(after historySize: Int, using random: inout Random) -> [UInt8] {
        var script = DeflateScript(random: random, size: historySize)
        for _ in 0..<script.number(in: 0...6) { script.writeBlock() }
        if !script.one(in: 12) { script.writer.bits(script.one(in: 20) ? 1 : 0, 3) }
        random = script.random
        return script.writer.bytes
    }

    private init(random: Random, size: Int) {
        self.random = random
        self.size = size
    }

    private mutating func number(in range: ClosedRange<Int>) -> Int {
        .random(in: range, using: &random)
    }

    private mutating func one(in count: Int) -> Bool { number(in: 1...count) == 1 }

    private mutating func writeBlock() {
        let isFinal = one(in: 12)
        writer.bits(isFinal ? 1 : 0, 1)
        switch number(in: 0...9) {
        case 0...1: writeStored()
        case 2...3:
            writer.bits(1, 2)
            writeSymbols(
                Code((0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }),
                Code([Int](repeating: 5, count: 32)))
        case 4 where one(in: 4): writer.bits(3, 2)
        default: writeDynamic()
        }
        if isFinal { writer.align() }
    }

    private mutating func writeStored() {
        writer.bits(0, 2)
        writer.align()
        let count = one(in: 8) ? number(in: 0...40_000) : number(in: 0...40)
        writer.bits(count, 16)
        writer.bits(one(in: 30) ? count : ~count & 0xFFFF, 16)
        for index in 0..<count { writer.bits(index * 167 & 0xFF, 8) }
        size += count
    }

    private mutating func writeSymbols(_ literals: Code, _ distances: Code) {
        let usable = literals.usable
        if usable.isEmpty { return }
        for _ in 0..<(one(in: 4) ? number(in: 0...900) : number(in: 0...60)) {
            let symbol = usable[number(in: 0...usable.count - 1)]
            if symbol == 256 { continue }
            if symbol < 256 {
                literals.write(symbol, to: &writer)
                size += 1
                continue
            }
            // An undefined symbol is chosen only rarely.
            if symbol > 285, !one(in: 200) { continue }
            let mayBeTooFar = one(in: 200)
            let near = distances.usable.filter {
                mayBeTooFar || $0 < 30 && InflateTwin.distances[$0].base <= size
            }
            guard !near.isEmpty else { continue }
            let distance = near[number(in: 0...near.count - 1)]
            literals.write(symbol, to: &writer)
            if symbol > 285 { continue }
            let length = InflateTwin.lengths[symbol - 257]
            let added = number(in: 0...(1 << length.extra) - 1)
            writer.bits(added, length.extra)
            distances.write(distance, to: &writer)
            if distance > 29 { continue }
            let (base, extra) = InflateTwin.distances[distance]
            let room = mayBeTooFar ? 1 << extra : min(1 << extra, size - base + 1)
            writer.bits(number(in: 0...room - 1), extra)
            size += length.base + added
        }
        if literals.lengths[256] > 0, !one(in: 60) { literals.write(256, to: &writer) }
    }

    private mutating func writeDynamic() {
        writer.bits(2, 2)
        let literals = code(
            for: Array(0...285), count: number(in: 1...(one(in: 3) ? 286 : 20)), with: [256])
        let distances = code(for: Array(0...29), count: number(in: 0...30), with: [])
        var lengths = literals.lengths
        while lengths.count > 257, lengths.last == 0 { lengths.removeLast() }
        writer.bits(lengths.count - 257, 5)
        let last = distances.lengths.lastIndex { $0 > 0 } ?? 0
        // Rarely, there are more codes than valid.
        let distanceCount = one(in: 60) ? 31 : last + 1
        lengths += distances.lengths.prefix(last + 1)
        lengths += [Int](repeating: 0, count: distanceCount - last - 1)
        writer.bits(distanceCount - 1, 5)

        let runs = runs(of: lengths)
        let used = Set(runs.map(\.symbol))
        let codeLengths = code(
            for: Array(0...18), count: number(in: max(2, used.count)...19), with: used, depth: 7)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        let count = 1 + max(3, order.lastIndex { codeLengths.lengths[$0] > 0 } ?? 0)
        writer.bits(count - 4, 4)
        for symbol in order.prefix(count) { writer.bits(codeLengths.lengths[symbol], 3) }
        for run in runs {
            codeLengths.write(run.symbol, to: &writer)
            writer.bits(run.added, run.width)
        }
        writeSymbols(literals, distances)
    }

    /// Writes the lengths, some repetitions by the symbols for them (§3.2.7).
    private mutating func runs(of lengths: [Int]) -> [(symbol: Int, added: Int, width: Int)] {
        var runs: [(Int, Int, Int)] = []
        var rest = lengths[...]
        var last: Int?
        while let next = rest.first {
            var count = rest.prefix { $0 == next }.count
            let isLong = !one(in: 8)
            if isLong, next == 0, count >= 11 {
                count = min(count, 138)
                runs.append((18, count - 11, 7))
            } else if isLong, next == 0, count >= 3 {
                count = min(count, 10)
                runs.append((17, count - 3, 3))
            } else if isLong, next == last, count >= 3 {
                count = min(count, 6)
                runs.append((16, count - 3, 2))
            } else {
                count = 1
                runs.append((next, 0, 0))
            }
            last = next
            rest = rest.dropFirst(count)
        }
        return runs
    }

    /// Creates a code for this many symbols, mostly complete.
    private mutating func code(
        for symbols: [Int], count: Int, with wanted: Set<Int>, depth: Int = 15
    ) -> Code {
        var lengths = [Int](repeating: 0, count: symbols.count)
        if count == 0 { return Code(lengths) }
        var leaves = [0]
        while leaves.count < count {
            let index = number(in: 0...leaves.count - 1)
            if leaves[index] == depth { continue }
            leaves[index] += 1
            leaves.append(leaves[index])
        }
        if leaves == [0] { leaves = [1] }
        if one(in: 10) {
            let index = number(in: 0...leaves.count - 1)
            switch number(in: 0...5) {
            case 0: leaves[index] = max(1, leaves[index] - 1)
            case 1...3: leaves[index] = min(depth, leaves[index] + 1)
            default: leaves[index] = 0
            }
        }
        let others = symbols.filter { !wanted.contains($0) }.shuffled(using: &random)
        let chosen = wanted.sorted() + others.prefix(max(0, count - wanted.count))
        for (symbol, length) in zip(chosen.shuffled(using: &random), leaves) {
            lengths[symbol] = length
        }
        return Code(lengths)
    }

    /// The lengths of codes, and the resulting codes (§3.2.2).
    private struct Code {
        let lengths: [Int]
        private var codes: [Int]
        let usable: [Int]

        init(_ lengths: [Int]) {
            self.lengths = lengths
            codes = lengths
            usable = lengths.indices.filter { lengths[$0] > 0 }
            var next = 0
            for length in 1...15 {
                next <<= 1
                for symbol in usable where lengths[symbol] == length {
                    codes[symbol] = next
                    next += 1
                }
            }
        }

        func write(_ symbol: Int, to writer: inout BitWriter) {
            writer.code(codes[symbol], lengths[symbol])
        }
    }
}
