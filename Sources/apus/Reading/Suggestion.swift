/// Returns the candidate that `name` was probably meant to be.
///
/// This is a candidate that ends or begins with it (`message.max`, `limits.message`), or else the
/// closest one, if it is within edits of at most a quarter of its length.
func nearest(to name: String, among candidates: [String]) -> String? {
    let folded = fold(name)
    guard (1...100).contains(folded.count) else { return nil }
    let foldedCandidates = candidates.map { (text: $0, folded: fold($0)) }
    let extended = foldedCandidates.first {
        $0.folded.hasSuffix("_" + folded) || $0.folded.hasPrefix(folded + "_")
    }
    if let extended { return extended.text }
    return
        foldedCandidates
        .map { (text: $0.text, edits: edits(from: folded, to: $0.folded)) }
        .filter { $0.edits <= max(2, $0.text.count / 4) }
        .min { $0.edits < $1.edits }?.text
}

/// Folds case and the choice of `.`, `-` or `_`, so that they don't count as edits. Environment
/// variables fold alike.
private func fold(_ name: String) -> String {
    String(name.lowercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
}

/// Returns the fewest insertions, deletions, replacements and swaps of neighbours that turn one
/// string into another (optimal string alignment).
func edits(from first: String, to second: String) -> Int {
    let first = Array(first)
    let second = Array(second)
    var beforePrevious: [Int] = []
    var previous = Array(0...second.count)
    for i in first.indices {
        var current = [i + 1]
        for j in second.indices {
            let replaced = previous[j] + (first[i] == second[j] ? 0 : 1)
            var fewest = min(replaced, previous[j + 1] + 1, current[j] + 1)
            if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                fewest = min(fewest, beforePrevious[j - 1] + 1)
            }
            current.append(fewest)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[second.count]
}
