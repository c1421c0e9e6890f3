import AppInput
import HTTPProtocol
import HTTPTypes
import Logging
import WebSocketServer

/// The limits of attempts to sign in: per address, and per address and user.
struct SignInLimits: Sendable {
    private let perAddress: RateLimiter?
    private let perUser: RateLimiter?

    init(_ options: AuthenticationOptions) {
        perAddress = options.attemptsPerAddress.map { RateLimiter(perMinute: $0) }
        perUser = options.attemptsPerUser.map { RateLimiter(perMinute: $0) }
    }

    /// Counts an attempt. Returns the seconds to wait if it exceeds a limit. Attempts as a user are
    /// counted for each address separately. Otherwise a stranger could lock out a user by attempts
    /// in the user's name.
    ///
    /// - Parameter now: The seconds of a monotonic clock.
    func attempt(from address: String, as user: UserName, at now: Double) -> Double? {
        let origin = RateLimiter.name(ofAddress: address)
        if let wait = perAddress?.attempt(by: ExactString(origin), at: now) { return wait }
        // Addresses contain no spaces, so the key is unambiguous.
        return perUser?.attempt(by: "\(origin) \(user.normalized)", at: now)
    }
}

/// The route `POST /token`: a name and a password for a token (RFC 6749 §4.3).
extension Authentication {
    /// The most bytes of a name or a password. No real one is longer.
    private static let fieldSizeMax = 1_024

    func signIn(_ request: Request) async throws(Problem) -> Response {
        guard let authenticator, authenticator.canSign else {
            throw .cannotSignIn("there is no key for signing tokens: set auth.jwt.secret")
        }
        guard let users else {
            throw .cannotSignIn("there are no users: set auth.users")
        }
        let credentials: (user: UserName, password: ExactString)
        switch Self.credentials(request) {
        case .success(let given): credentials = given
        case .failure(let fault): return fault.response
        }
        if let wait = signIns.attempt(
            from: request.remoteAddress, as: credentials.user, at: uptime())
        {
            return .tooManyRequests(wait)
        }
        let user: String?
        do {
            user = try await workers.run {
                users.user(named: credentials.user, password: credentials.password)
            }
        } catch {
            return .tooManyRequests(1)
        }
        guard let user else {
            refusedSignIns.log(["peer": "\(request.remoteAddress)"])
            return SignInFault("invalid_grant", "Incorrect username or password").response
        }
        let lifetime = options.lifetime
        // The key exists, as checked above.
        let token = authenticator.mint(subject: user, lifetime: lifetime)!
        return .unstored(
            TokenAnswer(
                access_token: token, token_type: "bearer",
                expires_in: Int((lifetime / .seconds(1)).rounded(.up))))
    }

    private static func credentials(
        _ request: Request
    ) -> Result<(user: UserName, password: ExactString), SignInFault> {
        guard request.mediaType == .named("application/x-www-form-urlencoded"),
            let form = TokenRequest(request.body)
        else {
            return .failure(
                SignInFault(
                    "invalid_request", "The body must be application/x-www-form-urlencoded."))
        }
        guard let grant = form["grant_type"] else {
            return .failure(SignInFault("invalid_request", "The field grant_type is missing."))
        }
        guard grant == "password" else {
            return .failure(
                SignInFault("unsupported_grant_type", "The grant_type must be password."))
        }
        guard let user = form["username"], let password = form["password"] else {
            return .failure(
                SignInFault("invalid_request", "The fields username and password are required."))
        }
        guard user.utf8.count <= fieldSizeMax, password.utf8.count <= fieldSizeMax else {
            return .failure(
                SignInFault(
                    "invalid_request", "A name or password has at most \(fieldSizeMax) bytes."))
        }
        return .success((UserName(user), password))
    }
}

/// The response with a token (RFC 6749 §5.1).
private struct TokenAnswer: Encodable {
    let access_token: String
    let token_type: String
    let expires_in: Int
}

/// The response with an error (RFC 6749 §5.2). It also has `detail`, which users of FastAPI expect.
private struct SignInFault: Error, Encodable {
    let error: String
    let error_description: String
    let detail: String

    init(_ error: String, _ description: String) {
        self.error = error
        error_description = description
        detail = description
    }

    var response: Response { .unstored(self, status: .badRequest) }
}

extension Problem {
    fileprivate static func cannotSignIn(_ reason: String) -> Problem {
        Problem(.serviceUnavailable, reason, headerFields: [.cacheControl: "no-store"])
    }
}

extension Response {
    /// Returns a response that must not be cached, as required for tokens and refusals (RFC 6749
    /// §5.1).
    fileprivate static func unstored(
        _ value: some Encodable, status: HTTPResponse.Status = .ok
    ) -> Response {
        var response = Response.encoding(value, status: status)
        response.headerFields[.cacheControl] = "no-store"
        response.headerFields[HTTPField.Name("Pragma")!] = "no-cache"
        return response
    }

    fileprivate static func tooManyRequests(_ wait: Double) -> Response {
        var response = unstored(
            ["detail": "Too many attempts to sign in: try again later."],
            status: .tooManyRequests)
        response.headerFields[.retryAfter] = "\(Int(max(1, wait.rounded(.up))))"
        return response
    }
}
