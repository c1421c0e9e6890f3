import TLSFilter
import UVTransport
import WebSocketProtocol

/// One connection of a load. It sends frames of the pool and counts the answers.
///
/// The parser is built for the purpose: of most messages it reads only the header. It compares the
/// contents of each connection's first message, and of one message in a thousand, with the sent
/// ones. If the server's messages refer to earlier ones, it compares all messages of a loop's first
/// connection.
// Safety: its worker outlives it, and it owns its stamps.
@safe
final class LoadConnection: Stream, @unchecked Sendable {
    // Safety: confined to its loop, like every stream.

    enum Phase: UInt8, Comparable {
        case connecting, handshake, open, closing, over

        static func < (one: Phase, other: Phase) -> Bool { one.rawValue < other.rawValue }
    }

    unowned(unsafe) let worker: LoadWorker
    let number: Int
    let isPublisher: Bool
    var phase = Phase.connecting
    /// The time at which it began to connect.
    var began: UInt64 = 0
    private var attempt: ConnectAttempt?
    /// The TLS layer between the socket and the frames, for `wss`.
    var tls: TLSClient?

    // MARK: - What was sent

    /// The index in the pool of the next message to send.
    private var sendIndex = 0
    private(set) var sent = 0
    /// The messages of an open loop that are due but not sent.
    var owed = 0
    /// The send time of each pending message: a ring with the worker's `inFlight` places.
    private let stamps: UnsafeMutablePointer<UInt64>
    private var stampHead = 0
    private var stampTail = 0

    // MARK: - What is being read

    /// The incomplete header, or the incomplete head of a response.
    var partial: [UInt8] = []
    var firstByte: UInt8 = 0
    /// The bytes of the payload that are still missing.
    var left = 0
    var isInPayload = false
    /// The first byte of a message's first frame; 0 between messages.
    var messageByte: UInt8 = 0
    /// Whether the message's contents are collected in `contents`.
    var keepsContents = false
    var contents: [UInt8] = []
    /// The number of complete messages received.
    var received = 0
    /// The index in the pool of the next message to come back.
    private(set) var replyIndex = 0
    /// The payload of a control frame.
    var control: [UInt8] = []
    /// The data that compressed messages may refer to. If present, all messages are inflated.
    var context: ReplyContext?

    init(worker: LoadWorker, number: Int, isPublisher: Bool) {
        unsafe self.worker = worker
        self.number = number
        self.isPublisher = isPublisher
        unsafe stamps = .allocate(capacity: worker.inFlight)
        super.init(loop: worker.loop)
    }

    deinit { unsafe stamps.deallocate() }

    // MARK: - Opening

    func begin(_ address: ConnectAddress) {
        began = Clocks.now
        do throws(TransportError) {
            attempt = try connect(to: address) { [self] error in
                attempt = nil
                if let error { return fail("\(error)") }
                guard phase == .connecting else { return }
                if let context = unsafe worker.tls { return secure(context) }
                requestUpgrade()
            }
        } catch {
            fail("\(error)")
        }
    }

    /// Requests the upgrade, once the socket is connected and any TLS handshake done.
    func requestUpgrade() {
        phase = .handshake
        let request = unsafe isPublisher ? worker.publisherRequest : worker.request
        unsafe request.withUnsafeBytes { unsafe transmit($0) }
    }

    // MARK: - Sending

    /// The number of messages sent and not answered.
    var underWay: Int { sent &- received }

    /// Sends the next messages, in as few writes as the pool allows.
    ///
    /// - Parameter now: The time, read once for a read and its answers.
    func send(_ count: Int, at now: UInt64) {
        let worker = unsafe self.worker
        let pool = worker.pool!
        if worker.keepsStamps {
            for _ in 0..<count {
                unsafe stamps[stampTail] = now
                stampTail &+= 1
                if stampTail == worker.inFlight { stampTail = 0 }
            }
        }
        var rest = count
        while rest > 0 {
            let run = unsafe pool.frames(from: sendIndex, wanted: rest)
            unsafe transmit(run.bytes)
            unsafe worker.tally.wireOut &+= run.bytes.count
            unsafe rest &-= run.count
            sendIndex = unsafe pool.index(sendIndex, after: run.count)
        }
        sent &+= count
        worker.tally.messagesOut &+= count
    }

    /// Sends the messages that an open loop owes, within the limit of pending ones. A publisher may
    /// not receive its own publications, so it waits for the kernel to take its earlier data
    /// instead.
    func sendOwed() {
        let room = unsafe isPublisher ? (hasOutbox ? 0 : .max) : worker.inFlight &- underWay
        let count = min(owed, room)
        if count > 0 {
            owed &-= count
            // An open loop measures from the time at which a message was due.
            send(count, at: 0)
        }
    }

    func sendControl(_ opcode: Opcode, _ payload: [UInt8]) {
        let frame = maskedFrame(
            payload, firstByte: FrameHeader.fin | opcode.rawValue, key: 0x5A3C_9617)
        unsafe frame.withUnsafeBytes { unsafe transmit($0) }
    }

    @inline(__always)
    private func transmit(_ bytes: UnsafeRawBufferPointer) {
        if let tls { return unsafe encrypt(bytes, tls) }
        unsafe writeNow(bytes)
    }

    // MARK: - Receiving

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        if let tls { return unsafe decrypt(UnsafeRawBufferPointer(bytes), tls) }
        unsafe receivedPlain(UnsafeRawBufferPointer(bytes))
    }

    @inline(__always)
    func receivedPlain(_ bytes: UnsafeRawBufferPointer) {
        var start = bytes.baseAddress!
        let end = unsafe start + bytes.count
        if phase == .handshake {
            guard let used = unsafe readHead(bytes) else { return }
            unsafe start += used
        }
        if phase == .open || phase == .closing { unsafe readFrames(start, end) }
    }

    /// Returns the send time of the oldest pending messages, and the number of those sent together.
    func takeStamps(atMost limit: Int) -> (stamp: UInt64, count: Int) {
        let size = unsafe worker.inFlight
        let stamp = unsafe stamps[stampHead]
        var count = 0
        repeat {
            count &+= 1
            stampHead &+= 1
            if stampHead == size { stampHead = 0 }
        } while unsafe count < limit && stamps[stampHead] == stamp
        return (stamp, count)
    }

    /// Calls `body` for the pending messages, oldest first, once for each group sent together.
    func eachUnderWay(_ body: (_ stamp: UInt64, _ count: Int) -> Void) {
        let size = unsafe worker.inFlight
        var index = stampHead
        var rest = min(underWay, size)
        while rest > 0 {
            let stamp = unsafe stamps[index]
            var count = 0
            repeat {
                count &+= 1
                index &+= 1
                if index == size { index = 0 }
            } while unsafe count < rest && stamps[index] == stamp
            body(stamp, count)
            rest &-= count
        }
    }

    func advance(by messages: Int, in pool: FramePool) {
        received &+= messages
        replyIndex = pool.index(replyIndex, after: messages)
    }

    /// Sets the index in the pool of the connection's first message.
    func start(at index: Int) {
        sendIndex = index
        replyIndex = index
    }

    // MARK: - The end

    func fail(_ detail: String) {
        guard phase != .over else { return }
        unsafe worker.note("connection \(number): \(detail)")
        finish()
    }

    /// Closes at once with a reset, which leaves no port in TIME_WAIT.
    func finish() {
        guard phase != .over else { return }
        let wasOpen = phase == .open
        phase = .over
        attempt?.cancel()
        resetHandle()
        unsafe worker.ended(self, wasOpen: wasOpen)
    }

    override func ended(_ error: TransportError) {
        ended(error.isEndOfFile ? "closed by the server" : "\(error)")
    }

    func ended(_ detail: String) {
        switch phase {
        case .closing: finish()
        case .over: break
        default: fail(detail)
        }
    }

    override func closed() { unsafe worker.closed(self) }
}
