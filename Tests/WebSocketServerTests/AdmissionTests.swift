import HTTPProtocol
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("Admission") struct AdmissionTests {
    /// A connection without a socket.
    private final class Member: AdmissionMember, @unchecked Sendable {
        // Safety: each is used by one test, on one thread.
        var place = Place.none
        var peer: SocketAddress
        /// The state in which the slow twin counts it.
        var key: UInt64?
        var holds = false

        init(_ peer: SocketAddress) { self.peer = peer }

        func evict() {}
    }

    private static func address(_ number: Int) -> SocketAddress {
        SocketAddress(.v4(0x0A00_0000 + UInt32(number)), port: UInt16(number))
    }

    private static func proxies(_ trusted: String...) -> ProxyConfiguration {
        var options = ProxyConfiguration()
        options.trusted = trusted.map { TrustedProxy($0)! }
        return options
    }

    /// Admits a connection, which must succeed. Returns the connections evicted for it.
    private func enter(_ admission: Admission, _ member: Member) throws -> Member? {
        let entry = admission.enter(member.peer)
        try #require(entry.verdict == .admitted)
        admission.wait(member)
        return entry.evicted as? Member
    }

    // MARK: - Eviction

    @Test(
        "The same order of eviction for all connections and for those of one address",
        arguments: [false, true])
    func ladder(isPerAddress: Bool) throws {
        let admission =
            isPerAddress
            ? Admission(max: 1_000, perAddressMax: 16) : Admission(max: 16, perAddressMax: nil)
        let members = (0..<21).map { _ in Member(Self.address(1)) }
        var verdicts: [Admission.Verdict] = []
        for member in members.prefix(20) {
            #expect(try enter(admission, member) == nil)
            verdicts.append(admission.judge(member))
            #expect(admission.hold(member) == (verdicts.last == .admitted))
        }
        #expect(verdicts.prefix(16).allSatisfy { $0 == .admitted })
        #expect(verdicts.suffix(4) == [.overLimit, .overLimit, .overHeadroom, .overHeadroom])
        let last = admission.enter(members[20].peer)
        // Of all, the one that waits longest leaves. An address takes no place from itself.
        #expect(last.verdict == (isPerAddress ? .noRoom : .admitted))
        #expect(last.evicted as? Member === (isPerAddress ? nil : members[16]))
    }

    @Test("Waiting connections take no places from useful ones")
    func silence() throws {
        let admission = Admission(max: 8, perAddressMax: nil)
        // An eighth of eight is one, so ten may be open.
        let silent = (0..<1_000).map { _ in Member(Self.address(1)) }
        for (index, member) in silent.enumerated() {
            #expect(try enter(admission, member) === (index < 10 ? nil : silent[index - 10]))
        }
        #expect(admission.current.total == 10)
        for number in 0..<8 {
            let member = Member(Self.address(2 + number % 2))
            #expect(try enter(admission, member)?.peer == Self.address(1))
            #expect(admission.judge(member) == .admitted)
            #expect(admission.hold(member))
        }
        let ninth = Member(Self.address(2))
        #expect(try enter(admission, ninth)?.peer == Self.address(1))
        #expect(admission.judge(ninth) == .overHeadroom)
        for member in silent { admission.leave(member) }
        #expect(admission.current.total == 9)
        #expect(admission.judge(ninth) == .overLimit)
    }

    @Test("Of many addresses with one connection each, the oldest leaves")
    func oldest() throws {
        let admission = Admission(max: 8, perAddressMax: nil)
        let members = (0..<100).map { Member(Self.address($0)) }
        for (index, member) in members.enumerated() {
            #expect(try enter(admission, member) === (index < 10 ? nil : members[index - 10]))
        }
    }

    @Test("Connections of a proxy leave last; a /64 is one address")
    func keys() throws {
        let admission = Admission(
            max: 8, perAddressMax: nil, proxies: Self.proxies("10.0.0.0/31"))
        let proxied = (0..<5).map { _ in Member(Self.address(1)) }
        let local = Member(.unix)
        let network = (0..<3).map {
            Member(SocketAddress(.v6(high: 0x2001_0DB8 << 32, low: UInt64($0)), port: 1))
        }
        let single = Member(Self.address(2))
        for member in proxied + [local] + network + [single] {
            #expect(try enter(admission, member) == nil)
        }
        var evicted: [Member?] = []
        for _ in 0..<10 { evicted.append(try enter(admission, Member(Self.address(1)))) }
        #expect(
            evicted[..<2].map { $0.map(ObjectIdentifier.init) }
                == network[..<2].map(ObjectIdentifier.init))
        #expect(Set(evicted[2..<4].map { $0!.peer }) == [single.peer, network[2].peer])
        #expect(
            evicted[4...].map { $0.map(ObjectIdentifier.init) }
                == (proxied + [local]).map(ObjectIdentifier.init))
    }

    @Test("An evicted connection receives nothing more, and frees nothing twice")
    func evicted() throws {
        let admission = Admission(max: 1, perAddressMax: 9)
        let members = (0..<4).map { Member(Self.address($0)) }
        for member in members.prefix(3) { #expect(try enter(admission, member) == nil) }
        #expect(try enter(admission, members[3]) === members[0])
        #expect(admission.judge(members[0]) == .noRoom)
        #expect(admission.judge(members[0], for: Self.address(9)) == .noRoom)
        #expect(!admission.hold(members[0]))
        admission.wait(members[0], as: Self.address(8))
        #expect(admission.current.total == 3)
        for member in members { admission.leave(member) }
        for member in members { admission.leave(member) }
        #expect(admission.current == (0, 0, 0))
    }

    @Test("An overloaded server answers 503, and keeps little room for that")
    func overloaded() throws {
        let isOverloaded = Locked(false)
        let admission = Admission(max: 80, perAddressMax: nil) { isOverloaded.value }
        let holding = Member(Self.address(1))
        #expect(try enter(admission, holding) == nil)
        #expect(admission.hold(holding))
        isOverloaded.withLock { $0 = true }
        var evicted = 0
        for number in 2..<100 {
            let member = Member(Self.address(number))
            if try enter(admission, member) != nil { evicted += 1 }
            #expect(admission.judge(member) == .overHeadroom)
        }
        #expect(admission.current.total == 1 + 20 && evicted == 98 - 20)
        isOverloaded.withLock { $0 = false }
        let late = Member(Self.address(100))
        #expect(try enter(admission, late) == nil)
        #expect(admission.judge(late) == .admitted)
    }

    @Test("A server beyond its memory limit is overloaded until some is freed")
    func outOfMemory() throws {
        let shared = ServerShared(
            configuration: ServerConfiguration(), router: Router(), broker: MemoryBroker(),
            logger: .silent)
        let member = Member(Self.address(1))
        #expect(try enter(shared.admission, member) == nil)
        let memory = shared.budgets.memory
        let spent = memory.max + memory.max / 8 + 1
        for _ in 0..<2 {
            memory.add(spent)
            #expect(shared.admission.judge(member) == .overHeadroom)
            memory.give(spent)
            #expect(shared.admission.judge(member) == .admitted)
        }
    }

    @Test("If descriptors run short, nobody is admitted, and waiting connections leave")
    func short() throws {
        let admission = Admission(max: 80, perAddressMax: nil)
        let (held, waiting) = (Member(Self.address(1)), Member(Self.address(2)))
        for member in [held, waiting] { #expect(try enter(admission, member) == nil) }
        #expect(admission.hold(held))
        for expected in [waiting, nil] {
            let entry = admission.enter(Self.address(3), isShort: true)
            #expect(entry.verdict == .noRoom && entry.evicted as? Member === expected)
        }
        #expect(admission.current.total == 1)
    }

    @Test("The limit, twice its headroom and the reserve fit into any number of descriptors")
    func fitting() {
        let misfits = (3..<25_000).filter { count in
            let max = Headroom.limit(forDescriptors: count)
            return max + 2 * Headroom.of(max) > count || max < count * 3 / 4 - 2
        }
        #expect(misfits.isEmpty)
        let admission = Admission(max: 1_000, perAddressMax: nil)
        #expect(admission.fit(descriptors: 100) == 80)
        #expect(admission.fit(descriptors: 10_000) == 80)
    }

    // MARK: - Comparison with a slow twin

    @Test(
        "Any sequence of steps has the same result as counting everything again", arguments: 0..<20)
    func twin(seed: UInt64) throws {
        var random = SplitMix(seed)
        let proxies = Self.proxies("10.0.0.0/31")
        let perAddressMax = seed % 3 == 0 ? nil : Int(seed % 5) + 1
        let max = Int(seed % 4) * 10 + 4
        let admission = Admission(max: max, perAddressMax: perAddressMax, proxies: proxies)
        let addresses = (0..<6).map { Self.address($0) } + [.unix]
        func key(_ peer: SocketAddress) -> UInt64? { proxies.trusts(peer) ? nil : peer.clientKey }
        /// The open connections. Those that wait are in the order in which they began to wait.
        var open: [Member] = []
        var gone: [Member] = []

        func judge(_ limit: Int, _ scope: [Member]) -> Admission.Verdict {
            let (held, headroom) = (scope.count { $0.holds }, Swift.max(1, limit / 8))
            if scope.count > limit + 2 * headroom { return .noRoom }
            if held < limit { return .admitted }
            return scope.count <= limit + headroom ? .overLimit : .overHeadroom
        }
        func judge(_ member: Member) -> Admission.Verdict {
            guard open.contains(where: { $0 === member }) else { return .noRoom }
            let byAll = judge(max, open)
            guard let perAddressMax, let key = member.key else { return byAll }
            return Swift.max(byAll, judge(perAddressMax, open.filter { $0.key == key }))
        }
        func isLargestHoldersOldest(_ member: Member) -> Bool {
            let waiting = open.filter { !$0.holds }
            var counts: [UInt64: Int] = [:]
            for key in waiting.compactMap(\.key) { counts[key, default: 0] += 1 }
            if let key = member.key, counts[key] != counts.values.max() { return false }
            if member.key == nil, !counts.isEmpty { return false }
            return waiting.first { $0.key == member.key } === member
        }
        func waitsAnew(_ member: Member, _ key: UInt64?) {
            open.removeAll { $0 === member }
            (member.key, member.holds) = (key, false)
            open.append(member)
        }

        for _ in 0..<3_000 {
            let address = addresses.randomElement(using: &random)!
            let member = (open + gone).randomElement(using: &random)
            switch (Int.random(in: 0..<7, using: &random), member) {
            case (0...1, _), (_, nil):
                let new = Member(address)
                new.key = key(address)
                let isAddressFull =
                    if let perAddressMax, let key = new.key {
                        open.count { $0.key == key } >= perAddressMax
                            + 2 * Swift.max(1, perAddressMax / 8)
                    } else { false }
                let isFull = !isAddressFull && open.count >= max + 2 * Swift.max(1, max / 8)
                let entry = admission.enter(address)
                #expect((entry.evicted != nil) == isFull)
                if let evicted = entry.evicted as? Member {
                    #expect(isLargestHoldersOldest(evicted))
                    open.removeAll { $0 === evicted }
                    gone.append(evicted)
                }
                #expect(entry.verdict == (isAddressFull ? .noRoom : .admitted))
                guard entry.verdict == .admitted else { continue }
                admission.wait(new)
                open.append(new)
            case (2, let member?):
                let isOpen = open.contains { $0 === member }
                if isOpen, !member.holds {
                    if member.key != key(address) { waitsAnew(member, key(address)) }
                    let expected = judge(member)
                    #expect(admission.judge(member, for: address) == expected)
                    #expect(member.peer == address)
                }
            case (3, let member?):
                let expected = member.holds || judge(member) == .admitted
                #expect(admission.hold(member) == expected)
                member.holds = expected
            case (4, let member?):
                admission.wait(member)
                if member.holds { waitsAnew(member, member.key) }
            case (5, let member?):
                let isOpen = open.contains { $0 === member }
                admission.wait(member, as: address)
                if isOpen, member.holds || member.key != key(address) {
                    waitsAnew(member, key(address))
                }
            case (_, let member?):
                admission.leave(member)
                open.removeAll { $0 === member }
                gone.removeAll { $0 === member }
                member.holds = false
            }
            let current = admission.current
            #expect(current.total == open.count)
            #expect(current.waiting == open.count { !$0.holds })
            #expect(current.addresses == Set(open.compactMap(\.key)).count)
        }
    }
}
