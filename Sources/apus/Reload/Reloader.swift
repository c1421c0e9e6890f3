import Logging
import RealtimeApp
import Synchronization
import WebSocketServer

/// The reloading of the configuration while the server runs.
///
/// Each reload reads all sources of the start again and validates them. Only if everything is
/// valid, it replaces the settings of the server.
struct Reloader: Sendable {
    let sources: Sources
    let application: Application
    let server: Server
    let current: CurrentConfiguration
    let log: LogSettings
    let succession: Succession
    let logger: Logger

    /// The state that was made of the values in effect.
    struct State: Sendable {
        var authentication: Authentication
        var tls: TLSContext?
    }

    /// Serves the requests one after the other, until they are finished.
    ///
    /// - Parameter initial: The state of the start.
    func run(_ requests: ReloadRequests, from initial: State) async {
        var state = initial
        for await request in requests.requests {
            switch request {
            case .signal:
                requests.signalIsServed()
                _ = await reload(&state)
            case .call(let caller): caller.resume(returning: await reload(&state))
            }
        }
    }

    /// Reads everything again, and puts it into effect if it is valid. Logs the result.
    private func reload(_ state: inout State) async -> ReloadReport {
        succession.beginReloading()
        defer { succession.endReloading() }
        var report = ReloadReport()
        do throws(ConfigurationFaults) {
            report.changes = try await apply(&state)
            logSuccess(report)
        } catch {
            report.errors = error.faults.map(\.description)
            for problem in report.errors {
                logger.error("invalid configuration", metadata: ["error": "\(problem)"])
            }
            logger.error(
                "configuration not reloaded: nothing has changed",
                metadata: ["errors": "\(report.errors.count)"])
        }
        return report
    }

    private func apply(_ state: inout State) async throws(ConfigurationFaults) -> [KeyChange] {
        let loaded = try load(sources)
        let before = current.loaded
        let (changes, effective) = KeyChange.find(from: before.draft, to: loaded.draft)
        let settings = Settings(effective)
        let new = try await readFiles(settings, loaded.origins, replacing: state)
        await new.authentication.fetchKeys()
        do {
            try await server.update(
                application.configuration(settings, tls: new.tls),
                router: application.features(settings, new.authentication).router())
        } catch {
            throw ConfigurationFaults(faults: [Fault("configuration", "\(error)")])
        }
        new.authentication.begin()
        state.authentication.end(replacedBy: new.authentication)
        // A level that was set at the admin listener stays until the key changes.
        if changes.contains(where: { $0.key.hasPrefix("log.") }) { log.apply(settings.log) }
        loaded.logWarnings(logger)
        settings.tls.logWarnings(of: new.tls, logger)
        let fixed = Set(changes.filter { $0.effect == .restart }.map(\.key))
        // A key that waits for a restart has its earlier value, from its earlier place.
        var origins = loaded.origins
        for key in fixed { origins[key] = before.origins[key] }
        current.loaded = Loaded(
            settings: settings, draft: effective, origins: origins, warnings: loaded.warnings)
        state = State(authentication: new.authentication, tls: new.tls)
        return changes
    }

    /// Reads the files that the settings refer to. Throws the errors of all of them.
    private func readFiles(
        _ settings: Settings, _ origins: [String: Origin], replacing state: State
    ) async throws(ConfigurationFaults) -> (authentication: Authentication, tls: TLSContext?) {
        var faults: [Fault] = []
        var tls: TLSContext?
        do throws(Fault) {
            tls = try settings.tls.read(origins: origins, replacing: state.tls)
        } catch { faults.append(error) }
        do throws(AuthenticationFault) {
            let authentication = try await Authentication(
                settings.auth, replacing: state.authentication, logger: logger)
            if faults.isEmpty { return (authentication, tls) }
        } catch { faults.append(Fault(origins, key: error.key, error.problem)) }
        throw ConfigurationFaults(faults: faults)
    }

    private func logSuccess(_ report: ReloadReport) {
        for change in report.changes {
            let metadata: Logger.Metadata = [
                "key": "\(change.key)", "from": "\(change.from)", "to": "\(change.to)",
                "effect": "\(change.effect.rawValue)",
            ]
            if change.effect == .restart {
                logger.warning("a changed key needs a restart", metadata: metadata)
            } else {
                logger.notice("a key has changed", metadata: metadata)
            }
        }
        let waiting = report.changes.count { $0.effect == .restart }
        logger.notice(
            "configuration reloaded: files of certificates, keys and users are read again",
            metadata: [
                "changed": "\(report.changes.count - waiting)", "need_restart": "\(waiting)",
            ])
    }
}

/// The configuration that is in effect; any thread.
final class CurrentConfiguration: Sendable {
    private let state: Mutex<Loaded>

    init(_ loaded: Loaded) { state = Mutex(loaded) }

    var loaded: Loaded {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
