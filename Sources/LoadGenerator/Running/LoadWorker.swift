import HTTPProtocol
import HTTPTypes
import TLSFilter
import UVTransport
import WebSocketProtocol
import WebSocketServer

/// One loop's part of a load: its connections and their counts. For its loop's thread.
final class LoadWorker: @unchecked Sendable {
    // Safety: made before the load begins, then used on its loop alone.

    let loop: EventLoop
    let plan: LoadPlan
    let address: ConnectAddress
    /// The TLS context for `wss`.
    let tls: TLSClientContext?
    /// The number of this loop's connections, without a fan-out's publishers.
    let share: Int
    let inFlight: Int
    let publishers: Int
    let handshake: ClientHandshake
    /// The request of the opening handshake, for all connections but the publishers.
    let request: [UInt8]
    /// The request of the publishers.
    let publisherRequest: [UInt8]
    let fanout: Fanout?
    /// The worker of the publishing loop, which is the first.
    unowned var publishing: LoadWorker!

    // Safety: each read changes it several times, so there are no checks for exclusive access. No
    // function of it calls back.
    @exclusivity(unchecked) private var storedTally = LoadTally()
    var isMeasuring = false
    var isRunning = false
    /// The messages; set once the first connection is open and ``use(_:)`` was called.
    var pool: FramePool!
    /// The negotiated parameters, the same for all connections.
    var agreement: DeflateParameters?
    /// Whether messages may be compressed.
    private(set) var isCompressed = false
    /// The last response that was accepted.
    var acceptedHead: [UInt8] = []
    var checker: ReplyChecker?
    var schedule: Schedule?

    var connections: [LoadConnection] = []
    private(set) var openCount = 0
    /// The connections not yet open, including those being opened.
    private var unopened = 0
    private var opening = 0
    private var handles = 0
    /// The number of messages until the next one whose contents are compared. There is none if the
    /// server's messages refer to earlier ones.
    var sampleLeft = 0
    /// The number of this loop's subscribers that have received each publication.
    var delivered: [Int] = []
    /// The next connection to send its message, for `idle`.
    var nextIdle = 0
    var timer: PrecisionTimer?
    var spinner: LoopSpinner?
    /// The time of turns without events, for a loop that spins, and the state that tells them
    /// apart.
    private var idleTime: UInt64 = 0
    private var lastTurn: UInt64 = 0
    private var workAtLastTurn = 0
    /// The number of handshakes begun or ended, and of connections ended.
    private var handshakeSteps = 0
    private var cpuBefore: UInt64 = 0
    private var measuringSince: UInt64 = 0

    init(
        loop: EventLoop, index: Int, plan: LoadPlan, address: ConnectAddress,
        tls: TLSClientContext?, handshake: ClientHandshake, fanout: Fanout?
    ) {
        self.loop = loop
        self.plan = plan
        self.address = address
        self.tls = tls
        self.handshake = handshake
        self.fanout = fanout
        share = plan.connections / plan.loops + (index < plan.connections % plan.loops ? 1 : 0)
        publishers = plan.scenario == .fanout ? plan.publishers : 0
        inFlight = plan.inFlight
        request = Self.request(handshake, plan, target: plan.url.target)
        publisherRequest =
            plan.publishTarget.map { Self.request(handshake, plan, target: $0) } ?? request
        if let fanout { delivered = Array(repeating: 0, count: fanout.capacity) }
    }

    /// The counts so far.
    @inline(__always) var tally: LoadTally {
        _read { yield unsafe storedTally }
        _modify { yield unsafe &storedTally }
    }

    private static func request(
        _ handshake: ClientHandshake, _ plan: LoadPlan, target: String
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        RequestEncoder.encode(
            handshake.request(
                authority: plan.url.authority, path: target, additional: plan.headerFields),
            body: [], into: &bytes)
        return bytes
    }

    var isPublishing: Bool { publishing === self }

    /// Whether connections record the send time of each message.
    var keepsStamps: Bool { plan.scenario != .fanout && schedule == nil }

    // MARK: - Opening

    /// Begins to open all connections, a limited number at a time; for `connect`, all at once.
    func open() {
        unopened = share + (isPublishing ? publishers : 0)
        openMore()
    }

    private func openMore() {
        let openingMax = plan.scenario == .connect ? .max : LoadPlan.openingMax
        while unopened > 0, opening < openingMax {
            unopened -= 1
            opening += 1
            let number = connections.count
            let connection = LoadConnection(
                worker: self, number: number, isPublisher: number >= share)
            connections.append(connection)
            begin(connection)
        }
    }

    private func begin(_ connection: LoadConnection) {
        handles += 1
        handshakeSteps += 1
        connection.begin(address)
    }

    func opened(_ connection: LoadConnection) {
        handshakeSteps += 1
        if plan.scenario == .connect {
            if isMeasuring {
                tally.messages += 1
                tally.record(Clocks.now - connection.began)
            }
            connection.phase = .closing
            // 1000 is a normal closure.
            return connection.sendControl(.close, [0x03, 0xE8])
        }
        opening -= 1
        openCount += 1
        openMore()
    }

    /// Handles the end of a connection, by an error or by the load's end.
    func ended(_ connection: LoadConnection, wasOpen: Bool) {
        if wasOpen {
            openCount -= 1
        } else if plan.scenario != .connect {
            opening -= 1
        }
    }

    func closed(_ connection: LoadConnection) {
        handles -= 1
        handshakeSteps += 1
        if plan.scenario == .connect, isRunning, tally.errors < Self.errorsMax {
            replace(connection)
        }
    }

    /// Opens a new connection in place of a closed one, for `connect`.
    private func replace(_ connection: LoadConnection) {
        let fresh = LoadConnection(
            worker: self, number: connection.number, isPublisher: false)
        connections[connection.number] = fresh
        begin(fresh)
    }

    /// The number of errors that ends a load.
    static let errorsMax = 100

    func note(_ fault: String) {
        tally.errors += 1
        if tally.firstError == nil { tally.firstError = fault }
    }

    /// Records that the contents of a message differ from the sent ones.
    func noteMismatch(_ fault: String) {
        note(fault)
        if tally.firstMismatch == nil { tally.firstMismatch = fault }
    }

    // MARK: - Messages

    /// Sets the messages to send, made for the negotiated parameters.
    func use(_ pool: FramePool) {
        self.pool = pool
        if let agreement {
            isCompressed = true
            checker = ReplyChecker(windowBits: agreement.serverMaxWindowBits)
            if !agreement.serverNoContextTakeover {
                sampleLeft = .max
                let context = ReplyContext(windowBits: agreement.serverMaxWindowBits)
                connections.first { !$0.isPublisher }?.context = context
            }
        }
        switch plan.scenario {
        case .echo:
            var random = LoadRandom(seed: UInt64(loop.index))
            for connection in connections { connection.start(at: random.below(pool.count)) }
        case .fanout:
            // Publishers start at different messages. Otherwise each publication would repeat the
            // previous one, and compress to almost nothing.
            for connection in connections where connection.isPublisher {
                connection.start(at: (connection.number - share) * pool.count / publishers)
            }
        case .idle, .connect: break
        }
    }

    // MARK: - Measuring

    /// Starts counting anew.
    func beginMeasuring() {
        tally.reset()
        cpuBefore = Clocks.threadCPU
        measuringSince = Clocks.now
        idleTime = 0
        isMeasuring = true
    }

    /// Handles the start of a turn of a loop that spins, before it looks for events.
    func turn() {
        let now = Clocks.now
        let work = tally.wireIn &+ tally.wireOut &+ handshakeSteps
        if work == workAtLastTurn { idleTime += now - lastTurn }
        workAtLastTurn = work
        lastTurn = now
    }

    /// Ends the measuring. Returns the counts, and the busy time of the thread in nanoseconds.
    ///
    /// - Parameter published: The messages that a fan-out in a closed loop has sent.
    func endMeasuring(published: Int) -> (tally: LoadTally, cpu: UInt64) {
        isMeasuring = false
        countUnanswered(Clocks.now, published: published)
        var result = tally
        let average = pool.map(\.messageSizeAverage) ?? 0
        result.payloadOut = Int(average * Double(result.messagesOut))
        if plan.scenario != .connect {
            result.payloadIn += result.messages * plan.replyPrefix.count
        }
        let wall = Clocks.now - measuringSince
        return (
            result,
            spinner == nil ? Clocks.threadCPU - cpuBefore : wall - min(wall, idleTime)
        )
    }

    /// Stops sending, and closes all connections.
    func stop() {
        isRunning = false
        timer?.close()
        timer = nil
        spinner?.close()
        spinner = nil
        for connection in connections { connection.finish() }
    }

    /// Whether every handle is closed.
    var isOver: Bool { handles == 0 && timer == nil }
}
