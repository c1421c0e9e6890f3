/// Sizes of messages, and how often each of them comes.
package struct SizeMix: Sendable, Hashable {
    package struct Part: Sendable, Hashable {
        /// Bytes of a message.
        package var size: Int
        /// It comes so many times in each turn of the mix; at least 1.
        package var weight: Int

        package init(size: Int, weight: Int = 1) {
            self.size = size
            self.weight = weight
        }
    }

    /// Not empty.
    package let parts: [Part]

    /// Messages of one turn at most: the weights of all parts together.
    package static let turnMax = 1_000

    package init(_ parts: [Part]) {
        precondition(!parts.isEmpty && parts.allSatisfy { $0.weight > 0 })
        self.parts = parts
    }

    /// One size alone.
    package init(_ size: Int) { self.init([Part(size: size)]) }

    /// The sizes of one turn in their order: each part is spread evenly over it, and parts of one
    /// weight take turns.
    package var turn: [Int] {
        // Each part earns its weight at every step; the richest is next, and pays for it.
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

    /// As in `128 B ×9, 4 KiB`.
    package var text: String {
        parts.map { part in
            Figures.size(part.size) + (part.weight > 1 ? " ×\(part.weight)" : "")
        }.joined(separator: ", ")
    }
}
