import WebSocketProtocol

/// Checks a session with any splits against its slow twin: raw bytes, or frames from a script, with
/// or without compression.
enum SessionTarget {
    private static let limits = [
        SessionLimits(frameSizeMax: 1 << 20, messageSizeMax: 1 << 20, fragmentsMax: 1_024),
        SessionLimits(frameSizeMax: 30_000, messageSizeMax: 70_000, fragmentsMax: 8),
        SessionLimits(frameSizeMax: 126, messageSizeMax: 200, fragmentsMax: 3),
        SessionLimits(frameSizeMax: 0, messageSizeMax: 0, fragmentsMax: 1),
    ]

    static func testServer(_ input: FuzzInput) { test(input, role: .server) }

    static func testClient(_ input: FuzzInput) { test(input, role: .client) }

    private static func test(_ input: FuzzInput, role: Session.Role) {
        var input = input
        let mode = input.choice()
        let limits = limits[Int(mode & 3)]
        let wanted = mode & 0x0C == 0 ? Int(input.choice() % 8) : .max
        let isAgreed = mode & 0x10 != 0
        let script = StreamScript(
            role: role, allowsFaults: mode >> 6 == 0, allowsCompression: isAgreed)
        let bytes = mode >> 6 < 2 ? script.stream(from: input.rest) : input.rest
        var random = input.generator
        let twin = SessionTwin(
            role: role, limits: limits, eventsWanted: wanted, allowsCompression: isAgreed)
        let expected = twin.read(bytes)
        if mode >> 6 == 1, mode & 3 == 0, case .failed = expected.verdict {
            fail("a script without faults fails: \(expected.summary)")
        }
        var allCuts = [[], random.cuts(of: bytes.count)]
        if bytes.count <= 512 { allCuts.append(Array(bytes.indices)) }
        for cuts in allCuts {
            for usesReadTarget in bytes.count > 16_384 ? [false, true] : [false] {
                let read = readStream(
                    bytes, cuts: cuts, role: role, limits: limits, eventsWanted: wanted,
                    usesReadTarget: usesReadTarget, allowsCompression: isAgreed)
                require(read.faults, equals: [], "faults, cut at \(cuts)")
                require(
                    read.transcript.summary, equals: expected.summary, "summary, cut at \(cuts)")
                if read.transcript != expected { fail("payloads differ, cut at \(cuts)") }
            }
        }
        if bytes.count > 4_096 { testBudget(bytes, twin, expected, &random) }
    }

    /// With little memory, the delivered messages are the first ones of the others, the end is the
    /// same or 1013, and the memory is freed.
    private static func testBudget(
        _ bytes: [UInt8], _ twin: SessionTwin, _ expected: SessionTwin.Transcript,
        _ random: inout SeededGenerator
    ) {
        let budget = Int.random(in: 0...40_000, using: &random)
        let run = SessionRun(
            role: twin.role, limits: twin.limits, eventsWanted: twin.eventsWanted, budget: budget,
            allowsCompression: twin.allowsCompression, inflatesByStandIn: true)
        run.usesReadTarget = true
        var start = 0
        for end in random.cuts(of: bytes.count) + [bytes.count] {
            run.feed(bytes[start..<end])
            start = end
        }
        let read = run.transcript
        require(run.end(), equals: [], "faults with a budget of \(budget)")
        if read.verdict == .failed(code: 1013) {
            if !expected.events.starts(with: read.events) { fail("events differ under a budget") }
        } else if read != expected {
            fail("budget \(budget): \(read.summary), expected \(expected.summary)")
        }
    }
}
