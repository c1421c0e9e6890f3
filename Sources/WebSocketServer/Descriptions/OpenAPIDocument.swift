/// Describes routes for requests in OpenAPI 3.1.
///
/// A document can't tell `/{id:int}` from `/{name}`, nor name methods that are not among its own.
/// It has the first of such routes, and none with other methods.
struct OpenAPIDocument {
    /// The methods that a document may have.
    private static let methods: Set = [
        "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE",
    ]
    /// The methods whose requests usually have no body, and which pages of any origin may use.
    private static let safeMethods: Set = ["GET", "HEAD", "OPTIONS", "TRACE"]

    private var paths: [String: [String: DocumentValue]] = [:]
    /// The first route of each shape, whose parameters give the path its name.
    private var first: [[String?]: DescribedRoute] = [:]
    private var names = UniqueNames()

    static func make(
        title: String, version: String, details: String, _ routes: [DescribedRoute]
    ) -> APIDocument {
        var document = OpenAPIDocument()
        for route in routes { document.add(route) }
        return APIDocument([
            "openapi": "3.1.0",
            "info": APIDocument.info(title: title, version: version, details: details),
            "paths": .object(document.paths.mapValues { .object($0) }),
            "components": [
                "schemas": ["Problem": .object(RouteContent.problem.schema.members)],
                "securitySchemes": APIDocument.tokenSchemes,
            ],
        ])
    }

    private mutating func add(_ route: DescribedRoute) {
        guard case .request(let method, let description) = route.description,
            Self.methods.contains(method)
        else { return }
        let namesake = first[route.shape] ?? route
        first[route.shape] = namesake
        let (path, key) = (namesake.path, method.lowercased())
        guard paths[path]?[key] == nil else { return }
        let described = description ?? RouteDescription("")
        var operation: [String: DocumentValue] = [
            "operationId": .text(names.name("\(key)_\(namesake.words)")),
            "responses": .object(responses(of: described, route, method)),
        ]
        operation.set("summary", described.summary)
        operation.set("description", described.details)
        if !described.tag.isEmpty { operation["tags"] = [.text(described.tag)] }
        let parameters = parameters(of: described.parameters, route, named: namesake)
        if !parameters.isEmpty { operation["parameters"] = .list(parameters) }
        if !described.body.isEmpty {
            operation["requestBody"] = [
                "required": .flag(described.requiresBody),
                "content": Self.content(described.body),
            ]
        }
        if described.requiresToken {
            operation["security"] = [.object([APIDocument.tokenScheme: []])]
        }
        paths[path, default: [:]][key] = .object(operation)
    }

    private func parameters(
        of described: [RouteParameter], _ route: DescribedRoute, named namesake: DescribedRoute
    ) -> [DocumentValue] {
        var all: [DocumentValue] = []
        for (segment, name) in zip(route.parameterSegments, namesake.parameterNames) {
            let own = described.first { $0.place == .path && $0.name == segment.name }
            let usual: JSONSchema = segment.isInteger ? .integer() : .string(count: 1 ... .max)
            let schema = own?.schema ?? usual
            all.append(
                Self.parameter(
                    RouteParameter(
                        name, in: .path, own?.details ?? "", schema: schema, isRequired: true)))
        }
        return all + described.filter { $0.place != .path }.map(Self.parameter)
    }

    private static func parameter(_ parameter: RouteParameter) -> DocumentValue {
        var members: [String: DocumentValue] = [
            "name": .text(parameter.name), "in": .text(parameter.place.rawValue),
            "required": .flag(parameter.isRequired), "schema": .object(parameter.schema.members),
        ]
        members.set("description", parameter.details)
        return .object(members)
    }

    /// Returns the responses, with those of the server itself.
    private func responses(
        of described: RouteDescription, _ route: DescribedRoute, _ method: String
    ) -> [String: DocumentValue] {
        var own: [RouteResponse] = [.problem(400, "The request is not valid HTTP.")]
        if described.requiresToken {
            own.append(.problem(401, "There is no valid token."))
        }
        if !Self.safeMethods.contains(method) {
            own.append(.problem(403, "The request comes from a page of another origin."))
        }
        if !described.body.isEmpty { own.append(.problem(413, "The body is too large.")) }
        if route.parameterSegments.contains(where: \.isInteger) {
            own.append(.problem(422, "A parameter of the path is not an integer."))
        }
        own.append(.problem(503, "The server is overloaded or stops; try again later."))
        var responses = ["default": Self.response(.problem(0, "The request is refused."))]
        for response in own + described.responses {
            responses["\(response.status)"] = Self.response(response)
        }
        return responses
    }

    private static func response(_ response: RouteResponse) -> DocumentValue {
        var members: [String: DocumentValue] = ["description": .text(response.details)]
        if let content = response.content { members["content"] = Self.content([content]) }
        return .object(members)
    }

    private static func content(_ contents: [RouteContent]) -> DocumentValue {
        let media = contents.map { content in
            let schema: DocumentValue =
                content == .problem
                ? .reference("components/schemas/Problem") : .object(content.schema.members)
            return (content.mediaType, DocumentValue.object(["schema": schema]))
        }
        return .object(Dictionary(media) { $1 })
    }
}

extension DescribedRoute {
    /// The parameters of the path, from the left.
    fileprivate var parameterSegments: [(name: String, isInteger: Bool)] {
        segments.compactMap {
            if case .parameter(let name, let isInteger) = $0 { (name, isInteger) } else { nil }
        }
    }
}
