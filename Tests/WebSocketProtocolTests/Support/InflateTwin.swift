/// A slow and simple second implementation of ``Inflater``, its twin: RFC 1951 bit by bit, with
/// codes by their definition.
struct InflateTwin {
    enum Verdict: Equatable {
        case done([UInt8])
        case tooBig
        case corrupt
        /// Corrupt because a code leaves a part of its space unused, with the outcome of a
        /// decompressor that tolerates this.
        case incomplete
    }

    private enum Fault: Error { case tooBig, corrupt, incomplete }

    private let input: [UInt8]
    /// The position in bits.
    private var position = 0
    /// The history, then the message.
    private var output: [UInt8]
    private let sizeMax: Int
    private let acceptsIncompleteCodes: Bool

    /// Decompresses a message without its tail. The first problem counts: a byte beyond the limit,
    /// or an error.
    static func inflate(
        _ message: [UInt8], after history: [UInt8] = [], limit: Int,
        acceptsIncompleteCodes: Bool = false
    ) -> Verdict {
        if message.isEmpty { return .done([]) }
        var twin = InflateTwin(
            input: message, output: history, sizeMax: history.count + limit,
            acceptsIncompleteCodes: acceptsIncompleteCodes)
        do throws(Fault) {
            try twin.readBlocks()
            return .done(Array(twin.output.dropFirst(history.count)))
        } catch {
            return switch error {
            case .tooBig: .tooBig
            case .corrupt: .corrupt
            case .incomplete: .incomplete
            }
        }
    }

    private init(input: [UInt8], output: [UInt8], sizeMax: Int, acceptsIncompleteCodes: Bool) {
        self.input = input
        self.output = output
        self.sizeMax = sizeMax
        self.acceptsIncompleteCodes = acceptsIncompleteCodes
    }

    // MARK: Bits and bytes (§3.1.1)

    private mutating func bits(_ count: Int) throws(Fault) -> Int {
        var value = 0
        for index in 0..<count {
            guard position < 8 * input.count else { throw .corrupt }
            value |= (Int(input[position / 8]) >> (position % 8) & 1) << index
            position += 1
        }
        return value
    }

    private mutating func put(_ byte: UInt8) throws(Fault) {
        guard output.count < sizeMax else { throw .tooBig }
        output.append(byte)
    }

    // MARK: Blocks (§3.2.3)

    private mutating func readBlocks() throws(Fault) {
        while true {
            let isFinal = try bits(1) == 1
            let type = try bits(2)
            if type == 0 {
                position = (position + 7) / 8 * 8
                // The empty block of a sync flush, whose tail was removed (RFC 7692 §7.2.1).
                if position == 8 * input.count { return }
            }
            switch type {
            case 0: try readStored()
            case 1: try readSymbols(.fixedLiterals, .fixedDistances)
            case 2: try readDynamic()
            default: throw .corrupt
            }
            if isFinal {
                // Another stream may follow, in the same window (RFC 7692 §7.2.3.5).
                position = (position + 7) / 8 * 8
                if position == 8 * input.count { return }
            }
        }
    }

    private mutating func readStored() throws(Fault) {
        let count = try bits(16)
        guard try bits(16) == ~count & 0xFFFF else { throw .corrupt }
        for _ in 0..<count { try put(UInt8(try bits(8))) }
    }

    private mutating func readSymbols(_ literals: Code, _ distances: Code) throws(Fault) {
        while true {
            let symbol = try read(literals)
            switch symbol {
            case 0...255: try put(UInt8(symbol))
            case 256: return
            case 257...285:
                let (base, extra) = Self.lengths[symbol - 257]
                let length = base + (try bits(extra))
                let code = try read(distances)
                guard code < 30 else { throw .corrupt }
                let distance = Self.distances[code].base + (try bits(Self.distances[code].extra))
                guard distance <= output.count else { throw .corrupt }
                for _ in 0..<length { try put(output[output.count - distance]) }
            default: throw .corrupt
            }
        }
    }

    /// §3.2.5: the base of each symbol, and the number of its extra bits.
    static let lengths =
        (0..<8).map { (base: 3 + $0, extra: 0) }
        + (1...5).flatMap { extra in
            (0..<4).map { (base: 3 + ((4 + $0) << extra), extra: extra) }
        } + [(base: 258, extra: 0)]
    static let distances =
        (0..<2).map { (base: 1 + $0, extra: 0) }
        + (0...13).flatMap { extra in
            (0..<2).map { (base: 1 + ((2 + $0) << extra), extra: extra) }
        }

    // MARK: Codes (§3.2.2, §3.2.7)

    /// The first code of each length, and the symbols of these consecutive codes.
    private struct Code {
        var first = [Int](repeating: 0, count: 16)
        var symbols = [[Int]](repeating: [], count: 16)

        static let fixedLiterals = Code(
            (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
        static let fixedDistances = Code([Int](repeating: 5, count: 32))

        init(_ lengths: [Int]) {
            for (symbol, length) in lengths.enumerated() where length > 0 {
                symbols[length].append(symbol)
            }
            for length in 1...15 {
                first[length] = (first[length - 1] + symbols[length - 1].count) << 1
            }
        }

        /// The remaining part of a space of 2 to the power of 15. If it is negative, there are too
        /// many codes.
        var left: Int {
            (1...15).reduce(1 << 15) { $0 - symbols[$1].count << (15 - $1) }
        }
    }

    private mutating func read(_ code: Code) throws(Fault) -> Int {
        var value = 0
        for length in 1...15 {
            value = value << 1 | (try bits(1))
            let index = value - code.first[length]
            if code.symbols[length].indices.contains(index) { return code.symbols[length][index] }
        }
        throw .corrupt
    }

    /// - Parameter mayBeSingle: Whether one code of one bit may be alone. §3.2.7 allows it for
    ///   distances, and zlib also for literals.
    private func code(_ lengths: [Int], mayBeSingle: Bool) throws(Fault) -> Code {
        let code = Code(lengths)
        guard code.left >= 0 else { throw .corrupt }
        let isSingle = lengths.max() == 1 && mayBeSingle
        // Without any codes, none can be read.
        let isIncomplete = code.left > 0 && code.left < 1 << 15 && !isSingle
        if isIncomplete, !acceptsIncompleteCodes { throw .incomplete }
        return code
    }

    private mutating func readDynamic() throws(Fault) {
        let literals = 257 + (try bits(5))
        let distances = 1 + (try bits(5))
        let codeLengths = 4 + (try bits(4))
        guard literals <= 286, distances <= 30 else { throw .corrupt }
        var lengths = [Int](repeating: 0, count: 19)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        for symbol in order.prefix(codeLengths) { lengths[symbol] = try bits(3) }
        let codeLengthCode = try code(lengths, mayBeSingle: false)
        var all: [Int] = []
        while all.count < literals + distances {
            let symbol = try read(codeLengthCode)
            switch symbol {
            case 16:
                guard let last = all.last else { throw .corrupt }
                all += [Int](repeating: last, count: 3 + (try bits(2)))
            case 17: all += [Int](repeating: 0, count: 3 + (try bits(3)))
            case 18: all += [Int](repeating: 0, count: 11 + (try bits(7)))
            default: all.append(symbol)
            }
        }
        guard all.count == literals + distances, all[256] > 0 else { throw .corrupt }
        try readSymbols(
            try code(Array(all[..<literals]), mayBeSingle: true),
            try code(Array(all[literals...]), mayBeSingle: true))
    }
}
