import HTTPTypes

/// The name of a route, by which a reload recognizes it.
struct RouteName: Sendable, Hashable {
    let method: HTTPRequest.Method
    let path: String
    let isWebSocket: Bool

    init(_ method: HTTPRequest.Method, _ path: String, isWebSocket: Bool) {
        self.method = method
        self.path = path
        self.isWebSocket = isWebSocket
    }
}

/// The numbers of a server's routes: 1 for the first one.
///
/// Counts and open connections refer to them. So a reload that replaces the routes gives each route
/// the number that it had, and never gives the number of a removed route to another one.
struct RouteNumbers: Sendable {
    /// The routes in the order of their numbers.
    private(set) var routes: [RouteName] = []
    private var numbers: [RouteName: Int] = [:]

    var count: Int { routes.count }

    /// Returns the number of a route, which is a new one for a new route.
    mutating func number(of route: RouteName) -> Int {
        if let number = numbers[route] { return number }
        routes.append(route)
        numbers[route] = routes.count
        return routes.count
    }
}
