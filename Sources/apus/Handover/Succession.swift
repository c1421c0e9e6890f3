import Foundation
import Logging
import Synchronization
import WebSocketServer

/// The part of a server that outlives its process: the listening sockets, which come from the
/// service manager or a predecessor and go to a successor, and the reports to the service manager.
final class Succession: Sendable {
    /// The addresses for the server to listen on.
    let addresses: [ListenAddress]
    private let handover: Handover?
    private let notifier: ServiceNotifier?
    private let server = Mutex<Server?>(nil)
    private let admin = Mutex<Server?>(nil)
    private let isListening = Atomic<Bool>(false)

    /// Takes over sockets, if there are any to take over.
    ///
    /// - Throws: An error that says what is wrong with the environment or `server.handover`.
    init(_ settings: Settings, logger: Logger) throws {
        let environment = ProcessInfo.processInfo.environment
        notifier = ServiceNotifier(environment: environment)
        var addresses = settings.server.addresses
        if let activated = try ActivatedSockets.find(in: environment) {
            addresses = activated.addresses
            logger.info(
                """
                listening on sockets of the service manager: server.host, server.port and \
                server.socket have no effect
                """,
                metadata: ["sockets": "\(addresses.count)", "names": "\(activated.names)"])
        }
        if let path = settings.handover {
            let handover = try Handover(path: path, logger: logger)
            self.handover = handover
            self.addresses = handover.addresses(for: addresses, of: .open)
        } else {
            handover = nil
            self.addresses = addresses
        }
    }

    /// Returns the addresses for the admin listener.
    func adminAddresses(_ address: AdminAddress) -> [ListenAddress] {
        let configured = [ListenAddress.hostname(address.host, port: address.port)]
        return handover?.addresses(for: configured, of: .admin) ?? configured
    }

    /// Sets the server that runs; before it listens.
    func attach(_ server: Server) { self.server.withLock { $0 = server } }

    /// Sets the server of the admin listener; before the other one listens.
    func attach(admin: Server) { self.admin.withLock { $0 = admin } }

    /// Called once the server accepts connections.
    func listening() {
        guard let server = server.withLock({ $0 }) else { return }
        isListening.store(true, ordering: .relaxed)
        if let notifier { ServiceReporter(notifier: notifier, server: server).begin() }
        guard let handover else { return }
        let admin = admin.withLock { $0 }
        // Without an admin listener, the sockets of the predecessor's are closed.
        if admin == nil { _ = handover.addresses(for: [], of: .admin) }
        handover.begin(server, admin: admin)
        // A successor that comes later makes sockets of its own.
        Task {
            await server.waitForStop()
            handover.end()
        }
    }

    /// Called before a reload of the configuration. Before the server listens, and once it stops,
    /// the service manager isn't told of reloads: it would take their end for the server's start.
    func beginReloading() { if reportsReloads { notifier?.reloading() } }

    private var reportsReloads: Bool {
        isListening.load(ordering: .relaxed) && server.withLock { $0?.isDraining == false }
    }

    /// Called after a reload of the configuration.
    func endReloading() {
        guard reportsReloads else { return }
        notifier?.ready(status: server.withLock { $0.map(ServiceReporter.status(of:)) ?? "" })
    }

    /// Called once the server has ended, or could not start.
    func end() { handover?.end() }

    /// Throws if the server had to stop because a predecessor serves on.
    func check() throws { try handover?.check() }
}
