import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// What a server does about gaps in its broker's subscriptions.
extension RunningServer {
    /// The broker lost its subscriptions; any thread.
    func brokerGap(_ reason: String) {
        shared.logger.warning(
            "the broker's subscriptions are lost: publications may be missed",
            metadata: ["reason": "\(reason)"])
        let first = contexts[0]
        first.loop.execute { first.counters.brokerGaps += 1 }
        closeSubscribersIfWanted()
    }

    /// A publication was dropped, since the loops are too far behind: a gap, told once until they
    /// have caught up; any thread.
    func deliveryOverloaded() {
        guard shared.isOverloaded.exchange(true, ordering: .relaxed) == false else { return }
        brokerGap("too much waits to be delivered")
        // Runs behind what waits there.
        contexts[0].loop.executeLater { [self] in
            shared.isOverloaded.store(false, ordering: .relaxed)
        }
    }

    /// The gap is over; any thread.
    func brokerRestored() {
        shared.logger.notice("the broker's subscriptions are in effect again")
        // Who came during the gap has missed something too, and has not been told.
        closeSubscribersIfWanted()
    }

    /// Has refusals of what connections publish counted; before there are any.
    func watchRefusals() {
        // Made once: a closure for each publication would cost an allocation.
        let onAnswer: @Sendable (BrokerError?) -> Void = { [weak self, shared] error in
            if let error {
                self?.publicationRefused(error)
            } else if shared.isRefusing.load(ordering: .relaxed) {
                shared.isRefusing.store(false, ordering: .relaxed)
            }
        }
        for context in contexts { context.topics?.onAnswer = onAnswer }
    }

    /// A connection's publication was refused by the broker; any thread. An outage is warned of
    /// once; where some publications are taken in between, every ten seconds at most.
    private func publicationRefused(_ error: BrokerError) {
        let isNew = !shared.isRefusing.exchange(true, ordering: .relaxed)
        let first = contexts[0]
        first.loop.execute { [shared] in
            first.counters.publicationsRefused += 1
            guard isNew, first.loop.now >= first.nextRefusalWarning else { return }
            first.nextRefusalWarning = first.loop.now + 10_000
            shared.logger.warning(
                "the broker refuses what connections publish: it is lost",
                metadata: ["reason": "\(error)"])
        }
    }

    private func closeSubscribersIfWanted() {
        guard shared.configuration.topics.onGap == .close else { return }
        for context in contexts {
            context.loop.execute {
                for connection in context.snapshot() where connection.isSubscriber {
                    context.counters.closedForGaps += 1
                    connection.beginClosing(.serviceRestart, "publications may have been missed")
                }
            }
        }
    }
}

extension ConnectionCore {
    /// Open, and with a subscription at least.
    fileprivate var isSubscriber: Bool {
        guard unsafe stage == .open, let subscriber = unsafe subscriber else { return false }
        return !subscriber.memberships.isEmpty
    }
}
