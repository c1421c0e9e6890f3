import PubSub
import WebSocketProtocol

/// Events in a ``SharedContextWorld``, each chosen by a few bytes.
package struct SharedContextScript {
    private let world: SharedContextWorld
    /// The maximum number of connections.
    private let readersMax: Int
    /// Returns the next choice.
    private let choose: () -> UInt8

    private var recent: [Publication] = []
    private var noise: UInt64 = 0

    private static let topics = 5

    package init(_ world: SharedContextWorld, readersMax: Int, choose: @escaping () -> UInt8) {
        self.world = world
        self.readersMax = readersMax
        self.choose = choose
    }

    package mutating func step() {
        switch choose() {
        case 0..<24: world.readers.count < readersMax ? join() : leave()
        case 24..<28: leave()
        case 28..<40:
            guard let reader = reader() else { return }
            world.sendPrivately(payload(topic: 6), to: reader)
        case 40..<48:
            reader()?.topics = choose()
        case 48..<64:
            guard !recent.isEmpty else { return }
            let again = recent[Int(choose()) % recent.count]
            world.publish(again, topic: Int(again.topic)!, delivery: deliveries())
        default: publish()
        }
    }

    package mutating func join() {
        let settings = choose()
        let takesOver = settings >> 1 & 7 != 0
        let windowBits = settings & 1 == 0 ? 15 : takesOver ? SharedContextWorld.windowBits : 9
        let reader = SharedContextWorld.Reader(
            takesOver: takesOver, windowBits: windowBits,
            topics: 1 << (Int(settings >> 4) % Self.topics) | choose() & choose())
        world.join(reader)
    }

    private func leave() {
        if !world.readers.isEmpty { world.leave(Int(choose()) % world.readers.count) }
    }

    private func reader() -> SharedContextWorld.Reader? {
        world.readers.isEmpty ? nil : world.readers[Int(choose()) % world.readers.count]
    }

    private mutating func publish() {
        let topic = Int(choose()) % Self.topics
        let payload = payload(topic: topic)
        let publication = Publication(
            payload.span.bytes, as: payload.count % 2 == 0 ? .text : .binary, to: "\(topic)")
        recent.append(publication)
        if recent.count > 16 { recent.removeFirst() }
        world.publish(publication, topic: topic, delivery: deliveries())
    }

    /// Chooses the outcome of deliveries: mostly the same for all.
    private mutating func deliveries() -> (SharedContextWorld.Reader) -> SharedContextWorld.Delivery
    {
        let choice = choose()
        guard choice >= 160 else { return { _ in .written } }
        noise &+= UInt64(choice) << 32 | UInt64(choose())
        var noise = noise
        return { _ in
            noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            switch noise >> 58 {
            case 0..<4: return .uncounted
            case 4..<8: return .droppedBefore
            case 8..<12: return .droppedAfter
            case 12..<16: return choice < 200 ? .droppedBefore : .written
            case 16..<22: return .standalone
            default: return .written
            }
        }
    }

    private mutating func random(_ count: Int) -> Int {
        noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(noise >> 33) % count
    }

    /// Small events with recurring parts. A few are long, random, or empty.
    private mutating func payload(topic: Int) -> [UInt8] {
        let choice = choose()
        noise &+= UInt64(choose())
        switch choice {
        case 0..<8: return Array("x\(choice)".utf8.prefix(Int(choice)))
        case 8..<24: return (0..<random(300)).map { _ in UInt8(random(256)) }
        case 24..<28: return (0..<random(3 * 4_096)).map { _ in UInt8(random(256)) }
        case 28..<40: return long(upTo: 3 * SharedContextWorld.windowSize)
        case 40..<60: return long(upTo: 1_500)
        case 60..<80: return Array("tick \(random(9)) \(random(9)) tick \(topic)".utf8)
        default:
            return Array(
                """
                {"type":"quote","topic":"T\(topic)","symbol":"S\(random(40))",\
                "bid":\(random(99_999)).25,"ask":\(random(99_999)).5,"size":\(random(500))}
                """.utf8)
        }
    }

    private mutating func long(upTo count: Int) -> [UInt8] {
        var text: [UInt8] = []
        let size = 1 + random(count)
        while text.count < size { text += Array("\(random(1_000)): entry \(random(9)); ".utf8) }
        return Array(text.prefix(size))
    }
}
