import Testing

@testable import LoadGenerator

@Suite("A mix of sizes")
struct SizeMixTests {
    private func mix(_ parts: (Int, Int)...) -> SizeMix {
        SizeMix(parts.map { SizeMix.Part(size: $0.0, weight: $0.1) })
    }

    @Test("Sizes of equal weight alternate")
    func inTurn() {
        #expect(mix((100, 1), (1_000, 1), (10_000, 1)).turn == [100, 1_000, 10_000])
        #expect(SizeMix(128).turn == [128])
    }

    @Test("A rare size lies among frequent ones")
    func spread() {
        #expect(mix((1, 3), (2, 1)).turn == [1, 1, 2, 1])
        #expect(mix((1, 2), (2, 2)).turn == [1, 2, 1, 2])
        let nine = mix((128, 9), (4_096, 1)).turn
        #expect(nine.count == 10 && nine.firstIndex(of: 4_096) == 5)
    }

    @Test(
        "Each size occurs according to its weight, and nearly evenly",
        arguments: [[9, 1], [5, 3, 2], [1, 1, 1], [7, 1, 1], [600, 399, 1]])
    func even(_ weights: [Int]) {
        let turn = SizeMix(weights.enumerated().map { SizeMix.Part(size: $0, weight: $1) }).turn
        let total = weights.reduce(0, +)
        #expect(turn.count == total)
        for (size, weight) in weights.enumerated() {
            var count = 0
            for (index, one) in turn.enumerated() {
                if one == size { count += 1 }
                let expected = Double(weight) * Double(index + 1) / Double(total)
                #expect(abs(Double(count) - expected) < Double(weights.count))
            }
            #expect(count == weight)
        }
    }

    @Test("A pool of frames contains complete cycles")
    func pool() {
        let turn = mix((20, 9), (200, 1)).turn
        let pool = FramePool(.binary, sizes: turn, windowBits: nil, batch: 1)
        #expect(pool.count.isMultiple(of: 10))
        #expect(pool.messageSizeAverage == 38)
    }

    @Test("Reports name the sizes with their weights")
    func text() {
        #expect(mix((128, 9), (4_096, 1)).text == "128 B ×9, 4 KiB")
    }
}
