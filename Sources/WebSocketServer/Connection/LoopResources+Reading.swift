import PubSub
import UVTransport

extension LoopResources {
    /// The figures of the loop at this moment; without the connections' place in the server.
    var reading: LoopReading {
        var reading = LoopReading()
        reading.counters = total
        reading.routes = routes
        reading.messages = routes.indices.map { unsafe messageCounts[$0] }
        reading.openingHandshakes = openingHandshakes
        reading.tlsHandshakes = tlsHandshakes
        reading.turns = turns
        reading.cpuNanoseconds = loop.isCurrent ? loop.cpuNanoseconds : 0
        reading.memoryHeld = memory.bytesHeld
        reading.tasks = tasks.count
        reading.pendingJobs = loop.pendingJobs
        reading.waitingForTurn = turnQueue.count
        reading.slowConsumers = topics?.delivery.slow.count ?? 0
        reading.tlsInProgress = handshakes?.inProgress ?? 0
        reading.topics = topics?.hub.topicCount ?? 0
        return reading
    }
}
