import WebSocketProtocol

/// A sink that delivers the session's messages to a connection's handler.
struct ConnectionSink: ~Copyable, SessionSink {
    // Strong, and kept as long as the handler: a sink made for each read would cost two pairs of
    // atomic operations, and a weaker reference retains and releases at every use.
    let connection: ConnectionCore
    let handler: any ConnectionHandler

    // Mutating, since an optional of a noncopyable type can be reached in place in no other way.
    mutating func currentHandler() -> any ConnectionHandler { handler }

    @inline(__always)
    var wantsMessages: Bool {
        connection.stage == .open || connection.deliversWhileClosing
    }

    @inline(__always)
    mutating func message(_ payload: UnsafeRawBufferPointer, kind: MessageKind) {
        let counts = unsafe connection.messageCounts
        unsafe counts.pointee.messagesReceived &+= 1
        unsafe counts.pointee.bytesReceived &+= UInt64(payload.count)
        unsafe handler.onMessage(
            RawSpan(_unsafeBytes: payload), as: kind, from: Connection(core: connection))
    }

    /// Answers at once (RFC 6455 §5.5.2), in order with other messages.
    mutating func ping(_ payload: UnsafeRawBufferPointer) {
        connection.resources.counters.pingsReceived += 1
        if connection.role == .client { unsafe observe(.ping([UInt8](payload))) }
        if connection.stage == .open { unsafe connection.sendControl(.pong, payload) }
    }

    /// Does nothing: any byte counts as a sign of life, also that of a pong.
    mutating func pong(_ payload: UnsafeRawBufferPointer) {
        connection.resources.counters.pongsReceived += 1
        if connection.role == .client { unsafe observe(.pong([UInt8](payload))) }
    }

    private func observe(_ frame: ControlFrame) {
        (handler as? ObservingBridge)?.observe(frame)
    }

    mutating func inflate(
        _ payload: UnsafeRawBufferPointer, limit: Int
    ) -> InflatedMessage {
        guard let compression = connection.compression else { return unsafe .corrupt }
        let paused = connection.guards?.inflation
        if paused != nil { connection.guards!.inflation = nil }
        let outcome = unsafe compression.inflate(
            payload, limit: limit, resuming: paused, assemblies: &connection.resources.assemblies)
        if case .unfinished = unsafe outcome {
            connection.ensureGuards().inflation = connection.resources.codecs.takePaused()
        }
        return unsafe outcome
    }

    mutating func discardInflation() {
        guard let guards = connection.guards, let paused = guards.inflation else { return }
        guards.inflation = nil
        connection.resources.codecs.discard(paused, &connection.resources.assemblies)
    }

    mutating func grow(_ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int) -> Bool {
        if unsafe buffer.base == nil { connection.beganAssembly() }
        let resources = connection.resources
        if unsafe resources.assemblies.grow(&buffer, to: capacity, expected: expected) {
            if !resources.assemblies.budget.hasRoom { resources.shedMemoryLater() }
            return true
        }
        // The connections that hold the most are closed at the end of this turn. Until then there
        // is the reserve; a message that needs more than that holds the most itself.
        resources.shedMemoryLater()
        return unsafe resources.assemblies.grow(
            &buffer, to: capacity, expected: expected, usesReserve: true)
    }

    mutating func release(_ buffer: inout AssemblyBuffer) {
        connection.lifecycle.endedAssembly()
        unsafe connection.resources.assemblies.release(&buffer)
    }
}
