/// Sizes of messages, and the frequency of each.
package struct SizeMix: Sendable, Hashable {
    package struct Part: Sendable, Hashable {
        /// The bytes of a message.
        package var size: Int
        /// The number of its occurrences in each turn of the mix; at least 1.
        package var weight: Int

        package init(size: Int, weight: Int = 1) {
            self.size = size
            self.weight = weight
        }
    }

    /// The parts; never empty.
    package let parts: [Part]

    /// The maximum number of messages in a turn: the sum of the weights of all parts.
    package static let turnMax = 1_000

    package init(_ parts: [Part]) {
        precondition(!parts.isEmpty && parts.allSatisfy { $0.weight > 0 })
        self.parts = parts
    }

    /// Makes a mix of one size.
    package init(_ size: Int) { self.init([Part(size: size)]) }

    /// The sizes of one turn in order. Each part is spread evenly over the turn, and parts of equal
    /// weight alternate.
    package var turn: [Int] {
        // Each part earns its weight at every step. The richest part is next, and pays the total.
        let total = parts.reduce(0) { $0 + $1.weight }
        var credits = parts.map { _ in 0 }
        return (0..<total).map { _ in
            var next = 0
            for index in parts.indices {
                credits[index] += parts[index].weight
                if credits[index] > credits[next] { next = index }
            }
            credits[next] -= total
            return parts[next].size
        }
    }

    /// The text of the mix, such as `128 B ×9, 4 KiB`.
    package var text: String {
        parts.map { part in
            Figures.size(part.size) + (part.weight > 1 ? " ×\(part.weight)" : "")
        }.joined(separator: ", ")
    }
}
