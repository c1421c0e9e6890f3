/// Which readers of one publication share an encoding: counts in, choices out.
struct EncodingPlan {
    /// What an encoding refers to; the more, the smaller it is and the fewer readers it fits.
    enum Depth: UInt8 {
        /// Nothing: it fits everyone.
        case standalone
        /// The publication that its readers got last.
        case last
        /// All that its readers' windows hold.
        case deep
    }

    /// Readers with one context.
    struct Group {
        var readers = 0
        /// Position among the publications that were sent last.
        let last: Int
        var depth = Depth.standalone
    }

    /// Readers who got the same publication last.
    struct Last {
        /// Those without a deep encoding, in all their groups.
        var readers = 0
        var isEncoded = false
    }

    /// The encodings of a publication, at most. Four cover nearly all readers: of 2,000 simulated
    /// connections with twenty topics, the four largest contexts held 91–98 % of the readers of
    /// each publication.
    static let encodingsMax = 4

    /// Readers of whose windows nothing is known.
    var unknownReaders = 0
    var groups: [Group] = []
    var lasts: [Last] = []
    /// Encodings chosen, the cold one included if anyone needs it.
    private(set) var encodings = 0
    private(set) var includesStandalone = false

    // MARK: - Decision

    // What a choice is worth, in eighths of a byte on the wire. A byte counts as 0.05 µs: where
    // 32 busy cores share a link of 10 Gbit/s, each µs of a core has 39 B of it, and where eight
    // share 1 Gbit/s, 16 B. Where traffic is paid by the byte it is worth a hundred times that
    // (0.05 $ a GB, 0.04 $ an hour of a core): then all four encodings are, for one reader each.

    /// Of what an encoding costs: 3.2 µs, and 3.2 µs more for each KiB. Measured, with all that
    /// ``SharedContexts`` does for it, at 128 B and 1 KiB: ISA-L 3.8 and 5.3 µs cold, 3.2 and 5.1
    /// after the last publication, 4.4 and 6.1 deep; zlib 4.3 and 9.2, 2.9 and 8.6, 7.2 and 11.8.
    private static func cost(payload: Int) -> Int { 8 * (64 + payload / 16) }

    /// Of what a reader saves: 1/4 of the payload by the last publication alone, 1/8 more by a
    /// whole window. For quotes, chat and order books, one topic or three a connection, it was
    /// 0.02–0.54 and -0.07–0.23. Beyond 1 KiB, a payload refers to itself more and more.
    private static func saving(_ depth: Depth, payload: Int) -> Int {
        let size = min(payload, 1_024)
        return switch depth {
        case .standalone: 0
        case .last: 2 * size
        case .deep: 3 * size
        }
    }

    /// Chooses what saves most, again and again, while it is worth its cost and there is room:
    /// one encoding is the cold one's, unless nobody is left to need it.
    mutating func decide(payload: Int) {
        let cost = Self.cost(payload: payload)
        let ofLast = Self.saving(.last, payload: payload)
        let ofDeep = Self.saving(.deep, payload: payload)
        for group in groups { lasts[group.last].readers += group.readers }
        var cold = groups.reduce(unknownReaders) { $0 + $1.readers }
        while encodings < Self.encodingsMax {
            let isLastFree = encodings + 1 == Self.encodingsMax
            var best = (gain: 0, depth: Depth.standalone, index: 0, leavesStandalone: 0)
            func consider(_ depth: Depth, _ index: Int, saved: Int, leavesStandalone: Int) {
                if isLastFree, leavesStandalone > 0 { return }
                // In the cold one's place it costs no more than that would have.
                let isInstead = leavesStandalone == 0 && cold > 0
                let gain = isInstead ? saved : saved - cost
                if gain > best.gain { best = (gain, depth, index, leavesStandalone) }
            }
            for (index, group) in groups.enumerated() where group.depth != .deep {
                let isStandalone = !lasts[group.last].isEncoded
                consider(
                    .deep, index, saved: group.readers * (isStandalone ? ofDeep : ofDeep - ofLast),
                    leavesStandalone: isStandalone ? cold - group.readers : cold)
            }
            for (index, last) in lasts.enumerated() where !last.isEncoded {
                consider(
                    .last, index, saved: last.readers * ofLast,
                    leavesStandalone: cold - last.readers)
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
                includesStandalone = cold > 0
                encodings += includesStandalone ? 1 : 0
                settle()
                return
            }
            cold = best.leavesStandalone
            encodings += 1
        }
        settle()
    }

    private mutating func settle() {
        for (index, group) in groups.enumerated() where group.depth == .standalone {
            guard lasts[group.last].isEncoded else { continue }
            // A group that has one for itself is as well served deep.
            let isAlone = group.readers == lasts[group.last].readers
            groups[index].depth = isAlone ? .deep : .last
            lasts[group.last].isEncoded = !isAlone
        }
    }

    // MARK: - Those who come later

    /// The depth for a reader who was not counted: of what there is anyway.
    func depth(last: Int) -> Depth { lasts[last].isEncoded ? .last : .standalone }

    /// Whether there may be a cold encoding, which is then one of those that there are.
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
