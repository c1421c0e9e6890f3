import AppInput
import HTTPProtocol
import Synchronization

/// The verifier of tokens that is in effect, for connections that outlive a reload; any thread.
final class CurrentAuthenticator: Sendable {
    private let current: Mutex<Authenticator?>

    init(_ authenticator: Authenticator?) { current = Mutex(authenticator) }

    func replace(by authenticator: Authenticator?) { current.withLock { $0 = authenticator } }

    func verify(_ token: ExactString) throws(TokenFault) -> Identity {
        guard let authenticator = current.withLock({ $0 }) else {
            throw TokenFault("no keys are configured any more")
        }
        return try authenticator.verify(token)
    }

    /// The time in seconds since 1970.
    func now() -> Double {
        let clock = current.withLock { $0?.now } ?? Authenticator.systemClock
        return clock()
    }
}
