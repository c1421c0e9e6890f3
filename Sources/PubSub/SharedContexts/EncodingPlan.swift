/// The decision which readers of one publication share an encoding, from the number of readers with
/// each context.
struct EncodingPlan {
    /// The extent to which an encoding refers to earlier data. A deeper encoding is smaller, but
    /// fewer readers can decode it.
    enum Depth: UInt8 {
        /// Nothing: every reader can decode it.
        case standalone
        /// The publication that its readers were sent last.
        case last
        /// Everything that its readers' windows hold.
        case deep
    }

    /// Readers with one context.
    struct Group {
        var readers = 0
        /// The position in ``lasts``.
        let last: Int
        var depth = Depth.standalone
    }

    /// Readers that were sent the same publication last.
    struct Last {
        /// The number of readers without a deep encoding, in all their groups.
        var readers = 0
        var isEncoded = false
    }

    /// The maximum number of encodings of a publication. Four cover nearly all readers: of 2,000
    /// simulated connections with twenty topics, the four largest contexts held 91–98 % of the
    /// readers of each publication.
    static let encodingsMax = 4

    /// The number of readers whose windows' contents are unknown.
    var unknownReaders = 0
    var groups: [Group] = []
    var lasts: [Last] = []
    /// The number of encodings chosen, including the standalone one if any reader needs it.
    private(set) var encodings = 0
    private(set) var includesStandalone = false

    // MARK: - Decision

    // Costs and savings are in eighths of a byte on the wire. A byte counts as 0.05 µs: where
    // 32 busy cores share a link of 10 Gbit/s, each µs of a core has 39 B of it, and where eight
    // share 1 Gbit/s, 16 B. Where traffic is paid by the byte, it is worth a hundred times as much
    // (0.05 $ a GB, 0.04 $ an hour of a core): then all four encodings pay for one reader each.

    /// Returns the cost of an encoding: 3.2 µs, and 3.2 µs more for each KiB. Measured at 128 B and
    /// 1 KiB, with all that ``SharedContexts`` does for it: ISA-L 3.8 and 5.3 µs standalone, 3.2
    /// and 5.1 after the last publication, 4.4 and 6.1 deep; zlib 4.3 and 9.2, 2.9 and 8.6, 7.2 and
    /// 11.8.
    private static func cost(payload: Int) -> Int { 8 * (64 + payload / 16) }

    /// Returns the saving for one reader: 1/4 of the payload by the last publication alone, and 1/8
    /// more by a whole window. Measured for quotes, chat and order books, with one topic or three a
    /// connection: 0.02–0.54 and -0.07–0.23. Beyond 1 KiB, payloads mostly refer to themselves.
    private static func saving(_ depth: Depth, payload: Int) -> Int {
        let size = min(payload, 1_024)
        return switch depth {
        case .standalone: 0
        case .last: 2 * size
        case .deep: 3 * size
        }
    }

    /// Chooses the encoding that saves most, again and again, while it is worth its cost and the
    /// maximum is not reached. The last one is the standalone encoding, unless no reader needs it.
    mutating func decide(payload: Int) {
        let cost = Self.cost(payload: payload)
        let ofLast = Self.saving(.last, payload: payload)
        let ofDeep = Self.saving(.deep, payload: payload)
        for group in groups { lasts[group.last].readers += group.readers }
        var standalone = groups.reduce(unknownReaders) { $0 + $1.readers }
        while encodings < Self.encodingsMax {
            let isLastFree = encodings + 1 == Self.encodingsMax
            var best = (gain: 0, depth: Depth.standalone, index: 0, leavesStandalone: 0)
            func consider(_ depth: Depth, _ index: Int, saved: Int, leavesStandalone: Int) {
                if isLastFree, leavesStandalone > 0 { return }
                // It costs nothing more if it replaces the standalone encoding.
                let isInstead = leavesStandalone == 0 && standalone > 0
                let gain = isInstead ? saved : saved - cost
                if gain > best.gain { best = (gain, depth, index, leavesStandalone) }
            }
            for (index, group) in groups.enumerated() where group.depth != .deep {
                let isStandalone = !lasts[group.last].isEncoded
                consider(
                    .deep, index, saved: group.readers * (isStandalone ? ofDeep : ofDeep - ofLast),
                    leavesStandalone: isStandalone ? standalone - group.readers : standalone)
            }
            for (index, last) in lasts.enumerated() where !last.isEncoded {
                consider(
                    .last, index, saved: last.readers * ofLast,
                    leavesStandalone: standalone - last.readers)
            }
            switch best.depth {
            case .deep:
                let group = groups[best.index]
                groups[best.index].depth = .deep
                lasts[group.last].readers -= group.readers
                if lasts[group.last].isEncoded, lasts[group.last].readers == 0 {
                    lasts[group.last].isEncoded = false
                    encodings -= 1
                }
            case .last: lasts[best.index].isEncoded = true
            case .standalone:
                includesStandalone = standalone > 0
                encodings += includesStandalone ? 1 : 0
                settle()
                return
            }
            standalone = best.leavesStandalone
            encodings += 1
        }
        settle()
    }

    private mutating func settle() {
        for (index, group) in groups.enumerated() where group.depth == .standalone {
            guard lasts[group.last].isEncoded else { continue }
            // A group that would have the encoding to itself can have a deep one instead.
            let isAlone = group.readers == lasts[group.last].readers
            groups[index].depth = isAlone ? .deep : .last
            lasts[group.last].isEncoded = !isAlone
        }
    }

    // MARK: - Readers that were not counted

    /// Returns the depth for a reader that was not counted, among the encodings made anyway.
    func depth(last: Int) -> Depth { lasts[last].isEncoded ? .last : .standalone }

    /// Adds a standalone encoding, if there is none and the maximum allows it. Returns whether
    /// there is one.
    mutating func takesStandalone() -> Bool {
        if includesStandalone { return true }
        guard encodings < Self.encodingsMax else { return false }
        includesStandalone = true
        encodings += 1
        return true
    }

    mutating func reset() {
        unknownReaders = 0
        groups.removeAll(keepingCapacity: true)
        lasts.removeAll(keepingCapacity: true)
        encodings = 0
        includesStandalone = false
    }
}
