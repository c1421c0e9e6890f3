import Logging
import RealtimeApp
import Synchronization
import WebSocketServer

/// The reloading of the configuration while the server runs.
///
/// Each reload reads all sources of the start again and validates them. Only if everything is
/// valid, it replaces the settings of the server.
final class Reloader: Sendable {
    let sources: Sources
    let application: Application
    let server: Server
    let log: StandardErrorLog
    let logger: Logger
    private let succession: Succession
    private let state: Mutex<State>

    /// The configuration in effect, and what was made of it.
    struct State: Sendable {
        var loaded: Loaded
        var authentication: Authentication
        var tls: TLSContext?
    }

    /// - Parameter state: The state of the start.
    init(
        sources: Sources, application: Application, server: Server, log: StandardErrorLog,
        logger: Logger, succession: Succession, state: State
    ) {
        self.sources = sources
        self.application = application
        self.server = server
        self.log = log
        self.logger = logger
        self.succession = succession
        self.state = Mutex(state)
    }

    /// The configuration in effect: changes that need a restart aren't in it.
    var loaded: Loaded { state.withLock { $0.loaded } }

    /// Serves the requests one after the other, until they are finished.
    func run(_ requests: ReloadRequests) async {
        for await request in requests.requests {
            switch request {
            case .signal:
                requests.signalIsServed()
                _ = await reload()
            case .call(let caller): caller.resume(returning: await reload())
            }
        }
    }

    /// Reads everything again, and puts it into effect if it is valid. Logs the result.
    private func reload() async -> ReloadReport {
        succession.beginReloading()
        defer { succession.endReloading() }
        var report = ReloadReport()
        do throws(ConfigurationFaults) {
            report.changes = try await apply()
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

    private func apply() async throws(ConfigurationFaults) -> [KeyChange] {
        let state = self.state.withLock { $0 }
        let loaded = try load(sources)
        let (changes, effective) = KeyChange.find(from: state.loaded.draft, to: loaded.draft)
        let settings = Settings(effective)
        let new = try await readFiles(settings, loaded.origins, replacing: state)
        do {
            try await server.update(
                application.configuration(settings, tls: new.tls),
                router: application.features(settings, new.authentication).router())
        } catch {
            throw ConfigurationFaults(faults: [Fault("configuration", "\(error)")])
        }
        new.authentication.begin()
        log.settings.apply(settings.log)
        loaded.logWarnings(logger)
        settings.tls.logWarnings(of: new.tls, logger)
        let reloaded = Loaded(
            settings: settings, draft: effective, origins: loaded.origins,
            warnings: loaded.warnings)
        self.state.withLock {
            $0 = State(
                loaded: reloaded, authentication: new.authentication, tls: new.tls)
        }
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
