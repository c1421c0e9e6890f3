import Dispatch
import Foundation
import Logging
import Synchronization
import WebSocketServer

/// One run of `apus connect`: from the opening handshake to the end of the connection.
///
/// Nothing blocks an event loop. Messages are read from the connection no faster than standard
/// output takes them, and lines from standard input no faster than the server takes them.
final class TerminalClient: Sendable {
    private static let messageSizeMax = ByteCount.mebibytes(64)
    private static let pongTimeout = Duration.seconds(10)
    /// The time limit for everything after Ctrl-C; longer than the closing handshake may take.
    private static let interruptTimeout = Duration.seconds(7)
    /// The time limit after Ctrl-C for printing the messages that have arrived.
    private static let printingTimeout = Duration.seconds(1)

    private let command: ConnectCommand
    private let output = OutputWriter(descriptor: STDOUT_FILENO)
    private let hasTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State())

    private struct State {
        var connection: ClientConnection?
        var connecting: Task<ClientConnection, any Error>?
        var isInterrupted = false
        /// Whether this side has begun the closing handshake.
        var isClosing = false
        var lastMessage = ContinuousClock.now
        var failure: String?
    }

    init(_ command: ConnectCommand) { self.command = command }

    /// Runs the client. Returns the exit status.
    func run() async -> Int32 {
        let signals = watchSignals()
        defer { for signal in signals { signal.cancel() } }
        let connection: ClientConnection
        do {
            connection = try await connect()
        } catch let error as ClientError {
            if state.withLock({ $0.isInterrupted }) { return 130 }
            let report = ConnectionReport(error)
            say(report.text)
            return report.status
        } catch {
            say("\(error)")
            return 1
        }
        greet(connection)
        output.whenReaderVanishes { [self] in close(connection) }
        if !command.noInput { Task { await sendInput(connection) } }
        await printMessages(connection)
        return (try? await connection.waitUntilClosed()).map(report) ?? 1
    }

    // MARK: - The connection

    private func connect() async throws -> ClientConnection {
        var limits = Limits()
        limits.messageSizeMax = Self.messageSizeMax
        limits.messageTimeout = .seconds(86_400)
        var heartbeat = Heartbeat()
        heartbeat.interval = command.ping
        heartbeat.timeout = Self.pongTimeout
        var compression = Compression()
        compression.isEnabled = command.compression == .on
        compression.allowsPeerContextTakeover = true
        var logger = Logger(label: "apus") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let client = try WebSocketClient(
            limits: limits, heartbeat: heartbeat, compression: compression,
            tls: ClientTLS(verifiesServer: !command.insecure), logger: logger)
        let connecting = Task { [self] in
            try await client.connect(
                to: command.url, subprotocols: command.handshake.subprotocols,
                headerFields: command.headerFields,
                onControlFrame: { self.show($0) })
        }
        state.withLock {
            $0.connecting = connecting
            if $0.isInterrupted { connecting.cancel() }
        }
        let connection = try await connecting.value
        let isInterrupted = state.withLock { state in
            state.connection = connection
            state.lastMessage = .now
            return state.isInterrupted
        }
        if isInterrupted { close(connection) }
        return connection
    }

    /// Closes the connection. Later messages are discarded.
    private func close(_ connection: ClientConnection) {
        state.withLock { $0.isClosing = true }
        connection.connection.close()
    }

    // MARK: - Messages

    private func printMessages(_ connection: ClientConnection) async {
        let text = MessageText(isTerminal: isatty(STDOUT_FILENO) == 1, isRaw: command.raw)
        while let message = await connection.receive() {
            state.withLock { $0.lastMessage = .now }
            if let error = await output.write(text.bytes(of: message)) {
                // A reader that has gone, such as `head`, has all that it wants.
                if error != EPIPE {
                    let reason = String(cString: strerror(error))
                    state.withLock { $0.failure = "standard output can't be written: \(reason)" }
                }
                return close(connection)
            }
        }
    }

    private func sendInput(_ connection: ClientConnection) async {
        let input = InputLines(descriptor: STDIN_FILENO)
        var number = 0
        do {
            for try await line in input.lines {
                number += 1
                try await connection.send(try message(line, number: number))
                input.taken()
            }
            await waitForSilence()
        } catch is ConnectionClosed {
            return
        } catch {
            state.withLock { $0.failure = "\(error)" }
        }
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        if isFirst { connection.finish() }
    }

    private func message(_ line: [UInt8], number: Int) throws -> Message {
        if command.binary { return Message(line, as: .binary) }
        guard let text = String(validating: line, as: UTF8.self) else {
            throw InputLines.Failure(
                description: "line \(number) of standard input is not UTF-8; see --binary")
        }
        return Message(text)
    }

    /// Waits until no message has arrived for the duration of `--wait`.
    private func waitForSilence() async {
        let inputEnd = ContinuousClock.now
        while true {
            let last = max(inputEnd, state.withLock { $0.lastMessage })
            let due = last.advanced(by: command.wait)
            if ContinuousClock.now >= due { return }
            try? await Task.sleep(until: due)
        }
    }

    // MARK: - Signals

    /// Watches for Ctrl-C (SIGINT) and SIGTERM: the first closes the connection, the second ends
    /// the process.
    private func watchSignals() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { [self] in interrupt() }
            source.resume()
            return source
        }
    }

    private func interrupt() {
        let (isSecond, connection) = state.withLock { state in
            defer { state.isInterrupted = true }
            if state.connection == nil { state.connecting?.cancel() }
            return (state.isInterrupted, state.connection)
        }
        if isSecond { _exit(130) }
        guard let connection else { return }
        close(connection)
        Task {
            // Messages that standard output doesn't take must not keep the process alive.
            guard let end = try? await connection.waitUntilClosed() else { return }
            try? await Task.sleep(for: Self.printingTimeout)
            exit(report(end))
        }
        Task {
            // Nor must a server whose last replies wait for standard output.
            try? await Task.sleep(for: Self.interruptTimeout)
            exit(130)
        }
    }

    // MARK: - Standard error

    private func greet(_ connection: ClientConnection) {
        var parts = ["connected to \(command.url.prefix { $0 != "?" })"]
        if let subprotocol = connection.subprotocol { parts.append("subprotocol \(subprotocol)") }
        let extensions = connection.response.headerFields[.secWebSocketExtensions]
        if let extensions { parts.append(extensions.inOneLine) }
        note(parts.joined(separator: ", "))
        if !command.noInput, isatty(STDIN_FILENO) == 1 {
            note("Each line that you type is sent as a message. Ctrl-D ends.")
        }
    }

    private func show(_ frame: ControlFrame) {
        guard command.showPings else { return }
        switch frame {
        case .ping(let payload): say("ping from the server" + Self.shown(payload))
        case .pong(let payload): say("pong from the server" + Self.shown(payload))
        }
    }

    private static func shown(_ payload: [UInt8]) -> String {
        if payload.isEmpty { return "" }
        guard let text = String(validating: payload, as: UTF8.self) else {
            return ": " + MessageText.preview(payload)
        }
        return ": \(text.inOneLine)"
    }

    /// Reports how the connection ended. Returns the exit status.
    private func report(_ end: ConnectionEnd) -> Int32 {
        let (isClosing, failure) = state.withLock {
            ($0.isClosing, $0.failure)
        }
        let report = ConnectionReport(
            end, closedHere: isClosing, pongTimeout: Self.pongTimeout)
        if report.isNote { note(report.text) } else { say(report.text) }
        guard let failure else { return report.status }
        say(failure)
        return 1
    }

    private func say(_ text: String) { writeToStandardError("apus connect: \(text)\n") }

    private func note(_ text: String) {
        if hasTerminal { writeToStandardError("\(text)\n") }
    }
}
