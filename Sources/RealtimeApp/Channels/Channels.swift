import AppInput
import HTTPProtocol
import HTTPTypes
import WebSocketServer

/// The channels, to which any program can publish by a request. They reach the clients of all
/// servers with the same broker.
enum Channels {
    static func topic(of channel: ExactString) -> String { "channel/\(channel)" }

    /// Returns the error in a channel's name, if any, as the name of its topic.
    static func fault(of channel: ExactString, topics: TopicConfiguration) -> ValidationFault? {
        if topics.isValidName(topic(of: channel)) { return nil }
        let sizeMax = topics.nameSizeMax - topic(of: "").utf8.count
        return ValidationFault(
            loc: ["path", "channel"],
            msg: "String should have 1 to \(sizeMax) bytes and no control characters",
            type: channel.utf8.count > sizeMax ? "string_too_long" : "value_error")
    }
}

extension RealtimeApp {
    /// Adds `/ws/redis/{channel}` and `POST /publish/{channel}`.
    func addChannels(to router: inout Router) {
        let topics = self.topics
        let authentication = self.authentication
        router.upgrade(
            Route.channels.path, description: description(.channels),
            adjusting: adjustment(.channels)
        ) { request in
            let channel = request.parameters["channel"] ?? ""
            if let fault = Channels.fault(of: channel, topics: topics) {
                return .refuse(.unprocessableContent, "The channel's name: \(fault.msg).")
            }
            return try authentication.admit(request, on: .channels) { _ in
                ChannelSubscriber(channel: channel)
            }
        }

        let broker = self.broker
        let description = RouteDescription.publish(
            requiresToken: authentication.demandsToken(.publish))
        router.post("/publish/{channel}", description: description) { request in
            try authentication.authorizePublishing(request)
            let channel = request.parameters["channel"] ?? ""
            let message: ExactString
            do throws(PublishFaults) {
                if let fault = Channels.fault(of: channel, topics: topics) {
                    throw PublishFaults(faults: [fault])
                }
                message = try PublishedMessage.read(
                    query: request.query, request.body, as: request.mediaType)
            } catch { return .unprocessable(error.faults) }
            do throws(BrokerError) {
                try await broker.publish(
                    Publication(message.string, to: Channels.topic(of: channel)))
            } catch {
                // If only the broker's answer is lost, the message may still arrive.
                throw Problem(
                    .serviceUnavailable,
                    "The message is not confirmed, and may still arrive: \(error.description).",
                    headerFields: [.retryAfter: "1"])
            }
            return .json(#"{"message":"Published"}"#)
        }
    }
}
