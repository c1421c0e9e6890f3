/// Describes WebSocket routes in AsyncAPI 3.0: a channel for each route, with an operation for each
/// direction. `receive` is what clients send.
struct AsyncAPIDocument {
    private var channels: [String: DocumentValue] = [:]
    private var operations: [String: DocumentValue] = [:]
    private var names = UniqueNames()

    static func make(
        title: String, version: String, details: String, _ routes: [DescribedRoute]
    ) -> APIDocument {
        var document = AsyncAPIDocument()
        for route in routes {
            if case .webSocket(let description) = route.description {
                document.add(route, description ?? WebSocketDescription(""))
            }
        }
        return APIDocument([
            "asyncapi": "3.0.0",
            "info": APIDocument.info(title: title, version: version, details: details),
            "defaultContentType": "text/plain",
            "channels": .object(document.channels),
            "operations": .object(document.operations),
            "components": ["securitySchemes": APIDocument.tokenSchemes],
        ])
    }

    private mutating func add(_ route: DescribedRoute, _ description: WebSocketDescription) {
        let name = names.name(route.words)
        var messages: [String: DocumentValue] = [:]
        addOperation("receive", description.receives, to: name, description, &messages)
        addOperation("send", description.sends, to: name, description, &messages)
        var channel: [String: DocumentValue] = [
            "address": .text(route.path), "messages": .object(messages),
            "bindings": ["ws": Self.binding(description.parameters)],
        ]
        channel.set("summary", description.summary)
        channel.set("description", description.details)
        let parameters = route.parameterNames.map { name in
            var members: [String: DocumentValue] = [:]
            let own = description.parameters.first { $0.place == .path && $0.name == name }
            members.set("description", own?.details ?? "")
            return (name, DocumentValue.object(members))
        }
        if !parameters.isEmpty {
            channel["parameters"] = .object(Dictionary(parameters) { $1 })
        }
        channels[name] = .object(channel)
    }

    /// Adds the operation of a direction, unless it has no messages.
    private mutating func addOperation(
        _ action: String, _ described: [MessageDescription], to channel: String,
        _ description: WebSocketDescription, _ messages: inout [String: DocumentValue]
    ) {
        guard !described.isEmpty else { return }
        var references: [DocumentValue] = []
        for message in described {
            let key = "\(action)_\(message.name)"
            var members: [String: DocumentValue] = [
                "name": .text(message.name), "contentType": .text(message.content.mediaType),
                "payload": .object(message.content.schema.members),
            ]
            members.set("description", message.details)
            messages[key] = .object(members)
            references.append(.reference("channels/\(channel)/messages/\(key)"))
        }
        var operation: [String: DocumentValue] = [
            "action": .text(action), "channel": .reference("channels/\(channel)"),
            "messages": .list(references),
        ]
        operation.set("summary", description.summary)
        if description.requiresToken {
            operation["security"] = [
                .reference("components/securitySchemes/\(APIDocument.tokenScheme)")
            ]
        }
        operations["\(action)_\(channel)"] = .object(operation)
    }

    /// Returns what the opening handshake takes.
    private static func binding(_ parameters: [RouteParameter]) -> DocumentValue {
        var binding: [String: DocumentValue] = ["method": "GET", "bindingVersion": "0.1.0"]
        for (place, name) in [(RouteParameter.Place.query, "query"), (.header, "headers")] {
            let own = parameters.filter { $0.place == place }
            guard !own.isEmpty else { continue }
            binding[name] = [
                "type": "object",
                "properties": .object(
                    Dictionary(own.map { ($0.name, .object($0.schema.members)) }) { $1 }),
                "required": .list(own.filter(\.isRequired).map { .text($0.name) }),
            ]
        }
        return .object(binding)
    }
}
