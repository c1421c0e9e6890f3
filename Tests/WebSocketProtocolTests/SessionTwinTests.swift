import Testing
import WebSocketProtocol

@Suite("A session behaves as its slow twin") struct SessionTwinTests {
    /// Limits that the streams keep, and small ones that they exceed.
    private static let limits = [
        SessionLimits.generous,
        SessionLimits(frameSizeMax: 20_000, messageSizeMax: 30_000, fragmentsMax: 4),
        SessionLimits(frameSizeMax: 126, messageSizeMax: 200, fragmentsMax: 3),
    ]

    /// Streams to be split everywhere.
    private static func short(_ role: Session.Role) -> [[UInt8]] {
        let snowman: [UInt8] = [0xE2, 0x98, 0x83]
        return [
            Wire.text("Hello", to: role) + Wire.binary(3, to: role),
            Wire.text("a", to: role) + Wire.frame(9, [1, 2], to: role) + Wire.text("b", to: role),
            Wire.text("", to: role) + Wire.frame(2, to: role) + Wire.frame(9, to: role),
            Wire.frame(1, [0xE2], to: role, isFinal: false) + Wire.frame(9, [9], to: role)
                + Wire.more([0x98], to: role, isFinal: false) + Wire.more([0x83], to: role),
            Wire.frame(2, to: role, isFinal: false) + Wire.more(to: role, isFinal: false)
                + Wire.more(to: role),
            Wire.frame(1, snowman, to: role, isFinal: false)
                + Wire.close(1000, snowman, to: role) + Wire.text("ignored", to: role),
            Wire.close(nil, to: role) + Wire.close(1000, to: role),
            Wire.close(1005, to: role), Wire.frame(8, [3], to: role),
            Wire.frame(1, [0x61, 0xED, 0xA0, 0x80], to: role), Wire.text("ä", to: role).dropLast(),
            Wire.frame(1, [0xF4, 0x90], to: role, announced: 60), Wire.frame(3, to: role),
            Wire.frame(1, snowman.dropLast(), to: role), Wire.more([1], to: role),
            Wire.text("a", to: role, isFinal: false) + Wire.text("b", to: role),
            Wire.binary(3, to: role) + Wire.frame(2, [1], to: role, reserved: 0x40),
            Wire.frame(2, [1], to: role, form: .sixteen),
            Wire.frame(9, [1], to: role, isFinal: false),
            Wire.frame(2, [1], to: role, form: .sixtyFour),
            Wire.frame(2, to: role, announced: .max),
            Wire.frame(9, Wire.pattern(126), to: role), Wire.binary(126, to: role),
        ].map { Array($0) }
    }

    private func expectTwin(
        _ bytes: [UInt8], cuts: [Int], _ twin: SessionTwin, usesReadTarget: Bool = false
    ) {
        let read = readStream(
            bytes, cuts: cuts, role: twin.role, limits: twin.limits,
            eventsWanted: twin.eventsWanted, usesReadTarget: usesReadTarget,
            allowsCompression: twin.allowsCompression,
            window: [.max, 1, 2, 7, 100][(cuts.first ?? 0) % 5])
        let expected = twin.read(bytes)
        if read.transcript != expected || !read.faults.isEmpty {
            Issue.record(
                """
                \(twin.role), wanted \(twin.eventsWanted), \(bytes.prefix(400)) cut at \
                \(cuts.prefix(50)): \(read.transcript.summary), twin \(expected.summary); \
                \(read.faults)
                """)
        }
    }

    @Test("Short streams: split in two and in three everywhere", arguments: Session.Role.both)
    func everyCut(role: Session.Role) {
        for bytes in Self.short(role) {
            for limits in [SessionLimits.generous, Self.limits[2]] {
                let twin = SessionTwin(role: role, limits: limits)
                expectTwin(bytes, cuts: [], twin)
                for first in bytes.indices.prefix(60) {
                    expectTwin(bytes, cuts: [first], twin)
                    for second in bytes.indices[first...].prefix(60) {
                        expectTwin(bytes, cuts: [first, second], twin)
                    }
                }
            }
        }
    }

    @Test("Short streams: split after each byte", arguments: Session.Role.both)
    func everyByte(role: Session.Role) {
        for bytes in Self.short(role) {
            for eventsWanted in [0, 1, .max] {
                let twin = SessionTwin(role: role, limits: .generous, eventsWanted: eventsWanted)
                let run = SessionRun(role: role, eventsWanted: eventsWanted)
                for end in bytes.indices {
                    run.feed([bytes[end]])
                    let expected = twin.read(bytes[...end])
                    #expect(run.transcript == expected, "\(bytes[...end])")
                }
                #expect(run.end() == [])
            }
        }
    }

    @Test("Very short streams: split in every way", arguments: Session.Role.both)
    func everyChunking(role: Session.Role) {
        let twin = SessionTwin(role: role, limits: .generous)
        for bytes in Self.short(role) where bytes.count <= 13 {
            for pattern in 0..<(1 << (bytes.count - 1)) {
                let cuts = (1..<bytes.count).filter { pattern >> ($0 - 1) & 1 != 0 }
                expectTwin(bytes, cuts: cuts, twin)
            }
        }
    }

    @Test("Random valid streams, split at random", arguments: Session.Role.both, 0..<8)
    func valid(role: Session.Role, seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let isAgreed = seed >= 4
        for _ in 0..<15 {
            let script = random.bytes(Int.random(in: 4...40, using: &random))
            let bytes = StreamScript(role: role, allowsCompression: isAgreed).stream(from: script)
            let wanted = Bool.random(using: &random) ? .max : Int.random(in: 0...5, using: &random)
            let twin = SessionTwin(
                role: role, limits: .generous, eventsWanted: wanted, allowsCompression: isAgreed)
            for _ in 0..<3 {
                expectTwin(
                    bytes, cuts: random.cuts(of: bytes.count), twin,
                    usesReadTarget: Bool.random(using: &random))
            }
        }
    }

    @Test("Random invalid streams, split at random", arguments: Session.Role.both, 0..<8)
    func faulty(role: Session.Role, seed: Int) {
        var random = SeededGenerator(seed: UInt64(100 + seed))
        let isAgreed = seed >= 4
        for _ in 0..<60 {
            let script = random.bytes(Int.random(in: 4...40, using: &random))
            var bytes = StreamScript(
                role: role, allowsFaults: true, allowsCompression: isAgreed
            ).stream(from: script)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                    1 << UInt8.random(in: 0..<8, using: &random)
            }
            let limits = Self.limits.randomElement(using: &random)!
            let twin = SessionTwin(role: role, limits: limits, allowsCompression: isAgreed)
            for usesReadTarget in [false, true] {
                expectTwin(
                    bytes, cuts: random.cuts(of: bytes.count), twin,
                    usesReadTarget: usesReadTarget)
            }
        }
    }

    @Test(
        "The streams of scripts without faults are valid", arguments: Session.Role.both,
        [false, true])
    func scriptsAreValid(role: Session.Role, isAgreed: Bool) {
        var random = SeededGenerator(seed: 7)
        var messages = 0
        for _ in 0..<50 {
            let script = StreamScript(role: role, allowsCompression: isAgreed)
            let bytes = script.stream(from: random.bytes(80))
            let read = SessionTwin(
                role: role, limits: .generous, allowsCompression: isAgreed
            ).read(bytes)
            if case .failed(let code) = read.verdict { Issue.record("failed with \(code)") }
            messages += read.events.count
        }
        #expect(messages > 300)
    }
}

extension Session.Role {
    static let both = [Session.Role.server, .client]
}
