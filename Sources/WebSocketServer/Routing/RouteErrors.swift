/// All errors in the routes of a router.
public struct RouteErrors: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence for each error: the pattern, what is wrong with it, and what to do.
    public let messages: [String]

    public var description: String { messages.joined(separator: "\n") }
}

/// The reason why a path isn't a pattern.
struct PatternError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

extension Router {
    /// Checks the routes. Throws if a path isn't a pattern, or if two routes match the same
    /// requests. ``Server/init(configuration:router:broker:logger:onListening:)`` calls it.
    public func validate() throws(RouteErrors) {
        let messages = pathErrors + repeatedRoutes()
        if !messages.isEmpty { throw RouteErrors(messages: messages) }
    }

    /// Returns an error for each route that would never be used, because an earlier one matches the
    /// same requests.
    private func repeatedRoutes() -> [String] {
        var first: [RouteKey: Route] = [:]
        var messages: [String] = []
        for route in routes {
            let key = RouteKey(route)
            guard let earlier = first[key] else {
                first[key] = route
                continue
            }
            messages.append(
                "\(route.title) matches the same requests as \(earlier.title): remove one of them")
        }
        return messages
    }
}

/// The requests that a route matches: its kind or method, and its path without the names of the
/// parameters.
private struct RouteKey: Hashable {
    /// The method; `nil` for upgrades, which may share their path with a GET.
    let method: String?
    let segments: [PathPattern.Segment]

    init(_ route: Router.Route) {
        switch route.target {
        case .upgrade: method = nil
        case .respond(let own, _): method = own.rawValue
        }
        segments = route.pattern.segments.map { segment in
            switch segment {
            case .literal: segment
            case .text: .text(name: "")
            case .integer: .integer(name: "")
            case .rest: .rest(name: "")
            }
        }
    }
}

extension Router.Route {
    /// The route in an error message, such as `GET /users/{id}`.
    fileprivate var title: String {
        switch target {
        case .upgrade: "WebSocket \(pattern.text)"
        case .respond(let method, _): "\(method.rawValue) \(pattern.text)"
        }
    }
}
