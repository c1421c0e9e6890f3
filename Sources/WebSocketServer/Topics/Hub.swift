import PubSub
import HTTPProtocol
import Synchronization
import UVTransport

/// A hub that passes publications on to the loops with subscribers, in the same order for all of
/// them.
///
/// The order of a topic is the order in which its publications arrive here, under one lock. A loop
/// takes all of its publications once a turn, and is woken only once for all of them.
final class Hub: Sendable {
    private let state: Mutex<HubState>
    /// The loops that take the publications, by their numbers.
    private let loops: [EventLoop]
    private let deliver: @Sendable (_ loop: Int) -> Void
    private let deliverRest: @Sendable (_ loop: Int) -> Void
    /// The bytes that may wait for all loops together; a publication counts for each of them.
    private let budget: ByteBudget

    /// - Parameters:
    ///   - deliver: Called on a loop for which publications wait; it calls ``take(for:into:)``.
    ///   - deliverRest: Called on a loop in a later turn, after ``deliverLater(on:)``.
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

    /// Whether the loops have kept up well enough for publishers to continue.
    var hasRoom: Bool { budget.hasRoom }

    /// Whether the loops are so far behind that publishers must slow down.
    var isBehind: Bool { budget.bytesUsed > budget.max / 16 }

    /// Passes a publication on to every loop that has subscribers to its topic; any thread. Returns
    /// false if it is dropped because too much is pending: more than the budget if its publisher
    /// receives the answer, or else more than twice the budget.
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
            // The loop has stopped.
            var lost: [Publication] = []
            take(for: loop, into: &lost)
            delivered(lost.reduce(0) { $0 + $1.sizeInMemory })
        }
        return true
    }

    /// Swaps the publications that wait for a loop, in order, with an empty list; on that loop.
    /// They count until they are ``delivered(_:)``.
    func take(for loop: Int, into batch: inout [Publication]) {
        state.withLock { swap(&$0.waiting[loop], &batch) }
        budget.acquire()
    }

    /// Appends the publications that wait for a loop to a list; on that loop.
    func take(for loop: Int, behind batch: inout [Publication]) {
        state.withLock { state in
            batch.append(contentsOf: state.waiting[loop])
            state.waiting[loop].removeAll(keepingCapacity: true)
        }
        budget.acquire()
    }

    /// Gives back the bytes of publications that a loop has taken and delivered.
    func delivered(_ size: Int) { budget.give(size) }

    /// Makes a loop continue its deliveries in a later turn. Returns false if the loop has stopped.
    func deliverLater(on loop: Int) -> Bool {
        loops[loop].executeLater { [deliverRest] in deliverRest(loop) }
    }

    /// Adds a loop that has its first subscriber to a topic. Calls `isFirst` if the server has:
    /// under the lock, so that the broker is called in the order in which the loops came here.
    func add(_ loop: Int, to topic: String, isFirst: () -> Void) {
        state.withLock { state in
            let topic = ExactString(topic)
            state.interested[topic, default: []].append(loop)
            if state.interested[topic]!.count == 1 { isFirst() }
        }
    }

    /// Removes a loop that has no subscriber to a topic left. Calls `isLast` if the server has
    /// none, under the lock as in ``add(_:to:isFirst:)``.
    func remove(_ loop: Int, from topic: String, isLast: () -> Void) {
        state.withLock { state in
            let topic = ExactString(topic)
            state.interested[topic]?.removeAll { $0 == loop }
            guard state.interested[topic]?.isEmpty == true else { return }
            state.interested[topic] = nil
            isLast()
        }
    }

    /// The number of topics that have subscribers.
    var topicCount: Int { state.withLock { $0.interested.count } }
}

/// The state that a ``Hub`` guards; not nested in it, which Swift 6.3 miscompiles.
struct HubState {
    /// The loops with subscribers, by topic.
    var interested: [ExactString: [Int]] = [:]
    /// The publications that each loop has not taken yet.
    var waiting: [[Publication]]
    init(loops: Int) {
        waiting = Array(repeating: [], count: loops)
    }
}
