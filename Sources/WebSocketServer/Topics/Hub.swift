import HTTPProtocol
import Synchronization
import UVTransport

/// Carries publications to the loops that have subscribers, in one order for all of them.
///
/// The order of a topic is the order in which its publications come here, under one lock; each
/// loop takes what has come for it once a turn, with one wake-up however much that is.
final class Hub: Sendable {
    private let state: Mutex<HubState>
    /// Where each loop takes its publications; by the loop's number.
    private let loops: [EventLoop]
    private let deliver: @Sendable (_ loop: Int) -> Void
    private let deliverRest: @Sendable (_ loop: Int) -> Void
    /// What may wait for all loops together; a publication counts for each of them.
    private let budget: ByteBudget

    /// - Parameters:
    ///   - deliver: Called on a loop when publications wait for it: ``take(for:into:)``.
    ///   - deliverRest: Called on a loop that is to go on: ``deliverLater(on:)``.
    init(
        loops: [EventLoop], budget: ByteBudget,
        deliver: @escaping @Sendable (_ loop: Int) -> Void,
        deliverRest: @escaping @Sendable (_ loop: Int) -> Void = { _ in }
    ) {
        self.loops = loops
        self.budget = budget
        self.deliver = deliver
        self.deliverRest = deliverRest
        state = Mutex(HubState(loops: loops.count))
    }

    /// Whether publishers may go on: the loops are not too far behind with what was published.
    var hasRoom: Bool { budget.hasRoom }

    /// Whether so much waits for the loops that publishers are to slow down.
    var isBehind: Bool { budget.bytesUsed > budget.max / 16 }

    /// Hands a publication to every loop that has subscribers to its topic; any thread. Returns
    /// false if it is dropped because too much waits: more than the budget if its publisher
    /// receives the answer, else more than twice the budget.
    func publish(_ publication: Publication, isOffer: Bool = false) -> Bool {
        guard budget.bytesUsed <= (isOffer ? 1 : 2) * budget.max else { return false }
        let wake = state.withLock { state in
            let interested = state.interested[ExactString(publication.topic)] ?? []
            let size = publication.sizeInMemory
            budget.add(interested.count * size)
            var wake: [Int] = []
            for loop in interested {
                if state.waiting[loop].isEmpty { wake.append(loop) }
                state.waiting[loop].append(publication)
            }
            return wake
        }
        for loop in wake where !loops[loop].execute({ [deliver] in deliver(loop) }) {
            // It has stopped.
            var lost: [Publication] = []
            take(for: loop, into: &lost)
            delivered(lost.reduce(0) { $0 + $1.sizeInMemory })
        }
        return true
    }

    /// What waits for a loop, in order, in place of an empty list; on that loop. It counts until it
    /// is ``delivered(_:)``.
    func take(for loop: Int, into batch: inout [Publication]) {
        state.withLock { swap(&$0.waiting[loop], &batch) }
        budget.acquire()
    }

    /// The same behind what a list has already.
    func take(for loop: Int, behind batch: inout [Publication]) {
        state.withLock { state in
            batch.append(contentsOf: state.waiting[loop])
            state.waiting[loop].removeAll(keepingCapacity: true)
        }
        budget.acquire()
    }

    /// Gives back the bytes of publications that a loop has taken.
    func delivered(_ size: Int) { budget.give(size) }

    /// Has a loop go on in a later turn with what it has taken; false if it has stopped.
    func deliverLater(on loop: Int) -> Bool {
        loops[loop].executeLater { [deliverRest] in deliverRest(loop) }
    }

    /// A loop has its first subscriber to a topic. `isFirst` is called if the server has: under
    /// the lock, since of two loops the broker must hear in the order in which they came here.
    func add(_ loop: Int, to topic: String, isFirst: () -> Void) {
        state.withLock { state in
            let topic = ExactString(topic)
            state.interested[topic, default: []].append(loop)
            if state.interested[topic]!.count == 1 { isFirst() }
        }
    }

    /// A loop has no subscriber to a topic left. `isLast` is called, as in
    /// ``add(_:to:isFirst:)``, if the server has none.
    func remove(_ loop: Int, from topic: String, isLast: () -> Void) {
        state.withLock { state in
            let topic = ExactString(topic)
            state.interested[topic]?.removeAll { $0 == loop }
            guard state.interested[topic]?.isEmpty == true else { return }
            state.interested[topic] = nil
            isLast()
        }
    }

    /// Topics that anyone subscribes to.
    var topicCount: Int { state.withLock { $0.interested.count } }
}

/// What a ``Hub`` guards; not nested in it, which Swift 6.3 miscompiles.
struct HubState {
    /// Loops with subscribers, by topic.
    var interested: [ExactString: [Int]] = [:]
    /// What each loop has not taken yet.
    var waiting: [[Publication]]
    init(loops: Int) {
        waiting = Array(repeating: [], count: loops)
    }
}
