import Testing

@testable import WebSocketServer

@Suite("The sampling of access lines") struct LineSamplingTests {
    @Test("The first lines of each second are logged, and the others are counted")
    func sampled() {
        var sampling = LineSampling(max: 2)
        let times: [UInt64] = [5_000, 5_000, 5_001, 5_999, 6_000, 6_001, 6_002, 9_000, 9_500]
        #expect(
            times.map { sampling.admit(at: $0) } == [0, 0, nil, nil, 2, 0, nil, 1, 0])
    }

    @Test("Without a limit, every line is logged")
    func unlimited() {
        var sampling = LineSampling(max: nil)
        for _ in 0..<10_000 { #expect(sampling.admit(at: 1) == 0) }
    }
}
