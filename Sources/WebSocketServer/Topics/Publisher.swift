import PubSub

/// Publishes to the topics of a server; for code that belongs to no connection.
final class Publisher: Sendable {
    private let broker: any Broker
    /// The bytes of publications that the loops have not delivered yet.
    private let budget: ByteBudget

    init(broker: any Broker, budget: ByteBudget) {
        self.broker = broker
        self.budget = budget
    }

    /// Publishes; returns once the broker has accepted the publication.
    func publish(_ publication: Publication) async throws(BrokerError) {
        guard budget.hasRoom else { throw .overloaded }
        try await broker.publish(publication)
    }
}
