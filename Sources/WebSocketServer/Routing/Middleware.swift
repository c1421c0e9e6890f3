import HTTPTypes
import Logging

/// Code around requests and upgrades: it may change a request before a route gets it, answer in the
/// route's place, and change the response.
///
/// ```swift
/// struct NoStore: Middleware {
///     func handle(
///         _ request: Request, next: (Request) async throws -> Response
///     ) async throws -> Response {
///         var response = try await next(request)
///         response.headerFields[.cacheControl] = "no-store"
///         return response
///     }
/// }
/// ```
///
/// Add it to a router with ``Router/add(middleware:)``, or to a group of routes with
/// ``Router/group(_:middleware:_:)``. The first one is the outermost.
public protocol Middleware: Sendable {
    /// Answers a request.
    ///
    /// It runs on the connection's event loop and must not block. Its task is cancelled when the
    /// client leaves.
    ///
    /// - Parameters:
    ///   - request: The complete request. An upgrade has no body.
    ///   - next: Passes the request on to the next middleware, or to the route. It returns refusals
    ///     and errors of those as responses too. Around an upgrade, it returns a response with
    ///     status 101 if the route has accepted it. The header fields of that response go into the
    ///     101; any other status that the middleware returns refuses the upgrade.
    /// - Throws: A ``Problem`` becomes the response; any other error is logged and answered 500.
    func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response
}

/// A middleware that writes a log.
protocol LoggingMiddleware: Middleware {
    /// Returns the same middleware with a logger, if it has none yet.
    func defaulting(to logger: Logger) -> any Middleware
}

/// The middleware around a route, from the outermost to the innermost.
struct MiddlewareChain: Sendable {
    let middleware: [any Middleware]
    let warnings: ServerWarnings

    /// Returns `nil` if there is no middleware.
    init?(_ middleware: [any Middleware], _ warnings: ServerWarnings, _ logger: Logger) {
        if middleware.isEmpty { return nil }
        self.middleware = middleware.map { one in
            (one as? any LoggingMiddleware)?.defaulting(to: logger) ?? one
        }
        self.warnings = warnings
    }

    /// Passes a request through all middleware, and then to `last`.
    func respond(
        to request: Request, _ last: (Request) async -> Response
    ) async -> Response {
        await respond(to: request, from: 0, last)
    }

    private func respond(
        to request: Request, from index: Int, _ last: (Request) async -> Response
    ) async -> Response {
        guard index < middleware.count else { return await last(request) }
        do {
            return try await middleware[index].handle(request) { request in
                await respond(to: request, from: index + 1, last)
            }
        } catch {
            return warnings.response(to: error, of: request.head)
        }
    }
}

extension ServerWarnings {
    /// Returns the response that an error of a route or a middleware stands for. Logs an error that
    /// isn't a ``Problem``.
    ///
    func response(to error: any Error, of request: HTTPRequest) -> Response {
        if let problem = error as? Problem { return problem.response }
        // If the client has left, an error is no news, and there is nobody to answer.
        if !Task.isCancelled {
            failedRequest.log(["path": "\(request.loggedPath)", "error": "\(error)"])
        }
        return Problem(.internalServerError, "The server failed to answer.").response
    }
}

extension HTTPRequest {
    /// The path for the log: without the query, in which secrets may stand, and 200 bytes at most.
    var loggedPath: String {
        let bytes = (path ?? "").utf8.prefix { $0 != UInt8(ascii: "?") }
        return String(decoding: bytes.prefix(200), as: UTF8.self)
    }
}
