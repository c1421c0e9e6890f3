import Dispatch
import Glibc
import Synchronization

/// The requests to reload: SIGHUP, and calls. They wait until the server runs, and are then served
/// one after the other.
///
/// Once they are made, SIGHUP doesn't end the process any more.
final class ReloadRequests: Sendable {
    enum Request: Sendable {
        case signal
        case call(CheckedContinuation<ReloadReport, Never>)
    }

    private static let stopped = ReloadReport(errors: ["the server is stopping"])

    let requests: AsyncStream<Request>
    private let continuation: AsyncStream<Request>.Continuation
    // Safety: a dispatch source may be used by any thread.
    nonisolated(unsafe) private let source: any DispatchSourceSignal
    /// Whether a SIGHUP waits: a second one would ask for the same.
    private let isSignalled = Atomic<Bool>(false)

    init() {
        (requests, continuation) = AsyncStream.makeStream()
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP)
        source.setEventHandler { [self] in
            if !isSignalled.exchange(true, ordering: .relaxed) { continuation.yield(.signal) }
        }
        // A signal that came earlier would be lost, although the configuration may have been read.
        let registered = DispatchSemaphore(value: 0)
        source.setRegistrationHandler { registered.signal() }
        source.activate()
        registered.wait()
    }

    /// Notes that a waiting SIGHUP is served now: a later one asks for another reload.
    func signalIsServed() { isSignalled.store(false, ordering: .relaxed) }

    /// Reloads when it is this call's turn. Returns what has changed, or why nothing has.
    func reload() async -> ReloadReport {
        await withCheckedContinuation { caller in
            if case .terminated = continuation.yield(.call(caller)) {
                caller.resume(returning: Self.stopped)
            }
        }
    }

    /// Serves no further request. SIGHUP stays ignored.
    func finish() {
        source.cancel()
        continuation.finish()
    }
}
