import PubSub
import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// Gaps in the broker's subscriptions.
extension RunningServer {
    /// Records that the broker lost its subscriptions; callable on any thread.
    func brokerGap(_ reason: String) {
        shared.logger.warning(
            "the broker's subscriptions are lost: publications may be missed",
            metadata: ["reason": "\(reason)"])
        gapBegan()
    }

    /// Records that a publication was dropped because the loops are too far behind. This is one gap
    /// until they have caught up. Callable on any thread.
    func deliveryOverloaded() {
        shared.warnings.undelivered.log()
        guard shared.isOverloaded.exchange(true, ordering: .relaxed) == false else { return }
        gapBegan()
        // Runs after the work that waits there.
        loops[0].loop.executeLater { [self] in
            shared.isOverloaded.store(false, ordering: .relaxed)
        }
    }

    private func gapBegan() {
        let first = loops[0].resources
        first.loop.execute { first.counters.brokerGaps += 1 }
        closeSubscribersIfWanted()
    }

    /// Records that the gap is over; callable on any thread.
    func brokerRestored() {
        shared.logger.notice("the broker's subscriptions are in effect again")
        // Subscribers that came during the gap have missed something too, and don't know it.
        closeSubscribersIfWanted()
    }

    /// Counts the publications of connections that the broker refuses; before there are any.
    func watchRefusals() {
        // Made once, since a closure for each publication would cost an allocation.
        let onResult: @Sendable (BrokerError?) -> Void = { [weak self] error in
            if let error { self?.publicationRefused(error) }
        }
        for loop in loops { loop.resources.topics?.onPublishResult = onResult }
    }

    /// Records that the broker refused a connection's publication; callable on any thread.
    private func publicationRefused(_ error: BrokerError) {
        shared.warnings.refused.log(["reason": "\(error)"])
        let first = loops[0].resources
        first.loop.execute { first.counters.publicationsRefused += 1 }
    }

    private func closeSubscribersIfWanted() {
        guard shared.configuration.topics.onGap == .close else { return }
        for loop in loops {
            loop.loop.execute {
                let resources = loop.resources
                for connection in resources.registry.snapshot() where connection.isSubscriber {
                    resources.counters.closedForGaps += 1
                    connection.beginClosing(.serviceRestart, "publications may have been missed")
                }
            }
        }
    }
}

extension ConnectionCore {
    /// Whether the connection is open and has at least one subscription.
    fileprivate var isSubscriber: Bool {
        guard stage == .open, let subscriber else { return false }
        return !subscriber.memberships.isEmpty
    }
}
