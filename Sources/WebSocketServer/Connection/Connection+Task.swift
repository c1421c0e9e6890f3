import UVTransport

/// Tasks for what a ``ConnectionHandler`` can't do without waiting.
extension Connection {
    /// Runs an `async` closure in a task on the connection's event loop, which it must not block;
    /// any thread.
    ///
    ///     connection.task {
    ///         let history = try await store.history(of: room)
    ///         connection.send(history)
    ///     }
    ///
    /// The task is cancelled when the connection is closed; one that is started in
    /// ``ConnectionHandler/onClose(_:code:reason:)`` or later isn't. A stop of the server waits for
    /// both, as it does for `async` routes. If the closure throws, the error is logged and the
    /// connection closed with 1011, as for an `async` route.
    ///
    /// Further messages may arrive meanwhile, and their tasks may run at the same time: a client
    /// decides how many. ``pauseReading()`` before, and ``resumeReading()`` at the end, limit them
    /// to the messages of one read. If messages must be handled one by one, use an `async` route.
    ///
    /// - Parameter operation: It captures `Sendable` values only, and so not the handler: for the
    ///   handler's state see ``task(_:then:)``.
    public func task(_ operation: @escaping @Sendable () async throws -> Void) {
        core.onLoop { $0.startTask(operation) { _ in } }
    }

    /// Runs an `async` closure like ``task(_:)``, and then another one with its result, which may
    /// use the handler's state: it is called on the connection's loop, as the handler's methods
    /// are.
    ///
    ///     connection.task {
    ///         try await store.name(of: token)
    ///     } then: { [self] name in
    ///         self.name = name
    ///         connection.send("Hello \(name)")
    ///     }
    ///
    /// To be called on the connection's loop, such as in a handler; traps elsewhere.
    ///
    /// - Parameters:
    ///   - operation: It captures `Sendable` values only.
    ///   - body: Not called once the connection is closed, or if `operation` throws.
    public func task<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value,
        then body: @escaping (Value) -> Void
    ) {
        precondition(core.loop.isCurrent, "task(_:then:) is called on the connection's loop")
        core.startTask(operation, then: body)
    }
}

/// The tasks that were started for one connection and haven't ended. For its loop's thread.
final class ConnectionTasks {
    /// The way to cancel a task, and the closure that takes its result.
    private struct Entry {
        let task: Task<Void, Never>
        let body: (any Sendable) -> Void
    }

    private var entries: [Int: Entry] = [:]
    private var lastNumber = 0

    func add(_ start: (Int) -> Task<Void, Never>, then body: @escaping (any Sendable) -> Void) {
        lastNumber += 1
        entries[lastNumber] = Entry(task: start(lastNumber), body: body)
    }

    /// Removes a task. Returns the closure that takes its result; `nil` if it was cancelled.
    func remove(_ number: Int) -> ((any Sendable) -> Void)? {
        entries.removeValue(forKey: number)?.body
    }

    func cancel() {
        for entry in entries.values { entry.task.cancel() }
        entries = [:]
    }

    var isEmpty: Bool { entries.isEmpty }
}

extension ConnectionCore {
    /// Starts a task on the loop. `body` gets the result there, so neither leaves the loop, and
    /// `body` needn't be `Sendable`.
    fileprivate func startTask<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value,
        then body: @escaping (Value) -> Void
    ) {
        let tasks = registry.tasks[id] ?? ConnectionTasks()
        let start = { [self] (number: Int) -> Task<Void, Never> in
            startTask {
                let result: Value?
                do {
                    result = try await operation()
                } catch {
                    result = nil
                    self.taskFailed(error)
                }
                // A task that outlives the loop ends on another thread.
                if self.loop.isCurrent { self.taskEnded(number, result) }
            }
        }
        // The end is reported already: there is no other one that could cancel the task.
        if lifecycle.hasReportedEnd {
            _ = start(0)
            return
        }
        tasks.add(start) { body($0 as! Value) }
        registry.tasks[id] = tasks
    }

    private var registry: ConnectionRegistry { resources.registry }

    private func taskEnded(_ number: Int, _ result: (any Sendable)?) {
        guard let tasks = registry.tasks[id], let body = tasks.remove(number) else { return }
        if tasks.isEmpty { registry.tasks[id] = nil }
        if let result { body(result) }
    }

    /// Ends the connection of a task that has thrown, as for an `async` route.
    private func taskFailed(_ error: any Error) {
        // The peer has left: no error of the program.
        if error is ConnectionClosed || error is CancellationError { return }
        resources.warnings.failedConnection.log(["error": "\(error)"])
        onLoop { $0.beginClosing(.internalError, "internal error") }
    }
}
