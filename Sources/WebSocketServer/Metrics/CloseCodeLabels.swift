/// The labels of close codes. Peers choose the codes that they send, so that only known codes have
/// a label of their own.
enum CloseCodeLabels {
    /// The codes of the standard, of its registry, and of Apus. They are always there, since a
    /// counter that begins above 0 hides its first increase.
    private static let known: [UInt16] =
        Array(1000...1003) + Array(1005...1014) + [3000, 4001, 4008]

    /// Returns the counts by label, with 0 for codes that have not occurred.
    static func sums(of counts: [UInt16: Int]) -> [(String, Int)] {
        var sums: [UInt16: Int] = [:]
        var others = ["3xxx": 0, "4xxx": 0, "other": 0]
        for (code, count) in counts {
            if known.contains(code) {
                sums[code] = count
            } else {
                let label = 3000...3999 ~= code ? "3xxx" : 4000...4999 ~= code ? "4xxx" : "other"
                others[label]! += count
            }
        }
        return known.map { ("\($0)", sums[$0] ?? 0) }
            + others.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
