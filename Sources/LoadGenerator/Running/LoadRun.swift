import HTTPTypes
import TLSFilter
import UVTransport
import WebSocketProtocol
import WebSocketServer

/// One load, from the first connection to its report.
package struct LoadRun: Sendable {
    package typealias OnProgress = @Sendable (LoadProgress) -> Void

    private let plan: LoadPlan
    private let onProgress: OnProgress
    private let server: ServerProcess?

    /// The interval between reports of progress.
    private static let progressInterval = Duration.milliseconds(500)
    private static let pollInterval = Duration.milliseconds(10)
    /// The time between the last opening handshake and a fan-out's first message. Some servers
    /// accept a subscriber before they list it. A closed loop would wait forever for the message
    /// that it misses.
    private static let subscribingTime = Duration.milliseconds(200)
    /// The time limit for closing the connections.
    private static let closingTimeout = Duration.seconds(5)

    /// - Parameter onProgress: Called on any thread, twice a second.
    package init(_ plan: LoadPlan, onProgress: @escaping OnProgress = { _ in }) {
        var plan = plan
        plan.loops = min(plan.loops, plan.connections)
        self.plan = plan
        self.onProgress = onProgress
        server = ServerProcess(plan.processes)
    }

    /// Runs the load. If cancelled, it ends at once and reports the results so far.
    package func run() async throws -> LoadReport {
        let address = try await reachable()
        let tls = try makeTLS()
        raiseDescriptorLimit()
        let group = try EventLoopGroup(count: plan.loops)
        let workers = makeWorkers(group, address, tls)
        await pin(workers)
        let outcome: Result<LoadReport, any Error>
        do {
            outcome = .success(try await run(workers))
        } catch {
            outcome = .failure(error)
        }
        await close(workers)
        _ = await Task { group.shutdown() }.value
        return try outcome.get()
    }

    /// Returns the first address of the host that accepts a connection.
    private func reachable() async throws -> ConnectAddress {
        let addresses = try await plan.url.addresses()
        guard let first = addresses.first else { throw LoadError("the host has no address") }
        for address in addresses where addresses.count > 1 {
            if address.acceptsNow() { return address }
        }
        return first
    }

    /// Makes the TLS context that the connections to a `wss` URL share; returns `nil` for other
    /// URLs.
    private func makeTLS() throws -> TLSClientContext? {
        guard plan.url.isEncrypted else { return nil }
        return try TLSClientContext(trustsAny: plan.trustsAnyCertificate)
    }

    private func makeWorkers(
        _ group: EventLoopGroup, _ address: ConnectAddress, _ tls: TLSClientContext?
    ) -> [LoadWorker] {
        var generator = SystemRandomNumberGenerator()
        let handshake = ClientHandshake(
            nonce: (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) },
            subprotocols: plan.subprotocols, extensions: plan.compression.offer.map { [$0] } ?? [])
        let isClosedFanout = plan.scenario == .fanout && plan.rate == nil
        let fanout = isClosedFanout ? Fanout(inFlight: plan.inFlight, loops: plan.loops) : nil
        let workers = group.loops.enumerated().map { index, loop in
            LoadWorker(
                loop: loop, index: index, plan: plan, address: address, tls: tls,
                handshake: handshake, fanout: fanout)
        }
        for worker in workers { worker.publishing = workers[0] }
        return workers
    }

    private func pin(_ workers: [LoadWorker]) async {
        guard !plan.cores.isEmpty else { return }
        for (index, worker) in workers.enumerated() {
            let core = plan.cores[index % plan.cores.count]
            await worker.onLoop { _ in _ = CoreAffinity(cores: [core]).apply() }
        }
    }

    // MARK: - Phases

    private func run(_ workers: [LoadWorker]) async throws -> LoadReport {
        var report = LoadReport(plan)
        let memoryBefore = server?.memory()
        let opening = Clocks.now
        if plan.scenario != .connect { try await open(workers) }
        report.openingSeconds = Double(Clocks.now - opening) / 1e9
        report.agreement = await workers[0].onLoop { worker in
            worker.agreement.map { _ in String(decoding: worker.acceptedHead, as: UTF8.self)
            }
        }.flatMap(LoadReport.extensionHeader)
        try await prepare(workers)
        if plan.scenario == .fanout { try await Task.sleep(for: Self.subscribingTime) }
        let beginning = Clocks.now
        for worker in workers { await worker.onLoop { $0.start(beginning: beginning) } }
        if plan.scenario == .idle { await waitForReplies(workers) }
        report.ending = await pass(plan.warmup, .warmup, workers)
        await measure(workers, into: &report)
        if let server, let memoryBefore, plan.scenario != .connect {
            let memoryAfter = server.memory()
            if memoryAfter.resident > 0 {
                report.memoryBefore = memoryBefore
                report.memoryAfter = memoryAfter
            }
        }
        report.judge()
        return report
    }

    private func open(_ workers: [LoadWorker]) async throws {
        for worker in workers { await worker.onLoop { $0.open() } }
        let wanted = plan.connections + (plan.scenario == .fanout ? plan.publishers : 0)
        let deadline = Clocks.now + plan.openingTimeout.nanoseconds
        while true {
            let state = await total(workers)
            if state.open == wanted { return }
            if let fault = state.firstError {
                throw LoadError("\(state.open) of \(wanted) connections could be opened: \(fault)")
            }
            if Clocks.now > deadline {
                throw LoadError(
                    "\(state.open) of \(wanted) connections could be opened within "
                        + "\(Int(plan.openingTimeout.inSeconds)) s")
            }
            onProgress(LoadProgress(phase: .opening, count: state.open, total: wanted))
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Makes the frames, once the negotiated parameters are known.
    private func prepare(_ workers: [LoadWorker]) async throws {
        guard plan.scenario != .connect else { return }
        for worker in workers {
            let agreement = await worker.onLoop { $0.agreement }
            // zlib can't compress with a window of 8 bits, so our messages are sent uncompressed.
            let bits = agreement.flatMap { $0.deflateWindowBits(as: .client) }
            let pool = FramePool(
                plan.payload, sizes: plan.sizes?.turn, windowBits: bits,
                isTakeover: agreement.map { !$0.serverNoContextTakeover } ?? false,
                batch: plan.inFlight)
            await worker.onLoop { $0.use(pool) }
        }
    }

    private func waitForReplies(_ workers: [LoadWorker]) async {
        guard plan.sendsOne else { return }
        let deadline = Clocks.now + plan.openingTimeout.nanoseconds
        while Clocks.now < deadline {
            if Task.isCancelled { return }
            let state = await total(workers)
            if state.answered >= plan.connections || state.errors > 0 { return }
            onProgress(
                LoadProgress(phase: .replies, count: state.answered, total: plan.connections))
            try? await Task.sleep(for: Self.pollInterval)
        }
        let state = await total(workers)
        let missing = "\(state.answered) of \(plan.connections) first messages were answered"
        await workers[0].onLoop { $0.note(missing) }
    }

    private func measure(_ workers: [LoadWorker], into report: inout LoadReport) async {
        let machineBefore = MachineTimes.sinceBoot
        let ownBefore = Clocks.processCPU
        let serverBefore = server?.usage()
        for worker in workers { await worker.onLoop { $0.beginMeasuring() } }
        let begun = Clocks.now
        if report.ending == .whole {
            report.ending = await pass(plan.duration, .measuring, workers)
        }
        let wall = Double(max(1, Clocks.now - begun)) / 1e9
        let published = await workers[0].onLoop { $0.fanout?.published ?? 0 }
        for worker in workers {
            let part = await worker.onLoop { $0.endMeasuring(published: published) }
            report.tally.add(part.tally)
            report.generatorBusy.append(Double(part.cpu) / 1e9 / wall)
        }
        report.seconds = wall
        // A process that has ended has no times any more.
        if let serverBefore, let after = server?.usage(), !after.threads.isEmpty {
            report.server = ServerUse(from: serverBefore, to: after, seconds: wall)
        }
        if let machineBefore, let machineAfter = MachineTimes.sinceBoot {
            let known =
                Double(Clocks.processCPU - ownBefore) / 1e9 + (report.server?.cpuSeconds ?? 0)
            report.machine = MachineUse(
                from: machineBefore, to: machineAfter, known: known, seconds: wall)
        }
    }

    /// Waits while progress is reported, until the time is over or waiting longer is pointless.
    private func pass(
        _ duration: Duration, _ phase: LoadProgress.Phase, _ workers: [LoadWorker]
    ) async -> LoadReport.Ending {
        let begun = Clocks.now
        let end = begun + duration.nanoseconds
        var last = (messages: 0, time: begun)
        while true {
            let now = Clocks.now
            if now >= end { return .whole }
            let step = min(end - now, Self.progressInterval.nanoseconds)
            do {
                try await Task.sleep(for: .nanoseconds(Int64(step)))
            } catch {
                return .interrupted
            }
            let state = await total(workers)
            let time = Clocks.now
            let rate = Double(state.messages - last.messages) / (Double(time - last.time) / 1e9)
            last = (state.messages, time)
            onProgress(
                LoadProgress(
                    phase: phase, count: state.open, total: plan.connections,
                    seconds: Double(time - begun) / 1e9, duration: duration.inSeconds, rate: rate))
            if state.errors >= LoadWorker.errorsMax || state.hasMismatch { return .failed }
            if state.errors > 0, state.open == 0, plan.scenario != .connect { return .failed }
            // If one subscriber misses a message, all others would wait for it.
            if state.errors > 0, plan.scenario == .fanout, plan.rate == nil { return .failed }
        }
    }

    private func close(_ workers: [LoadWorker]) async {
        for worker in workers { await worker.onLoop { $0.stop() } }
        let deadline = Clocks.now + Self.closingTimeout.nanoseconds
        for worker in workers {
            while Clocks.now < deadline, await !worker.onLoop({ $0.isOver }) {
                // The loops can end only when their handles are closed, even after a cancellation.
                await Task { try? await Task.sleep(for: Self.pollInterval) }.value
            }
        }
    }

    // MARK: - What there is so far

    private struct State: Sendable {
        var open = 0
        var answered = 0
        var messages = 0
        var errors = 0
        var firstError: String?
        var hasMismatch = false
    }

    private func total(_ workers: [LoadWorker]) async -> State {
        var state = State()
        for worker in workers {
            let part = await worker.onLoop { worker in
                State(
                    open: worker.openCount, answered: worker.answeredCount,
                    messages: worker.tally.messages, errors: worker.tally.errors,
                    firstError: worker.tally.firstError,
                    hasMismatch: worker.tally.firstMismatch != nil)
            }
            state.open += part.open
            state.answered += part.answered
            state.messages += part.messages
            state.errors += part.errors
            state.firstError = state.firstError ?? part.firstError
            state.hasMismatch = state.hasMismatch || part.hasMismatch
        }
        return state
    }
}

extension LoadWorker {
    /// Runs `body` on the loop, and waits for its result.
    func onLoop<T: Sendable>(_ body: @escaping @Sendable (LoadWorker) -> T) async -> T {
        await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body(self)) }
        }
    }

    /// The number of connections whose first message was answered.
    var answeredCount: Int { connections.reduce(0) { $0 + min(1, $1.received) } }
}
