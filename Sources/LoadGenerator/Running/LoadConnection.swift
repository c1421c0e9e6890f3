import TLSFilter
import UVTransport
import WebSocketProtocol

/// One connection of a load: it sends frames of the pool and counts what comes back.
///
/// A purpose-built reader: of most messages it sees the header alone. The contents of each
/// connection's first message are compared with what was sent, and of one in a thousand; where the
/// server's messages refer to earlier ones, of all that a loop's first connection gets.
// Safety: its worker outlives it, and it owns its stamps.
@safe
final class LoadConnection: Stream, @unchecked Sendable {
    // Safety: confined to its loop, as every stream is.

    enum Phase: UInt8, Comparable {
        case connecting, handshake, open, closing, over

        static func < (one: Phase, other: Phase) -> Bool { one.rawValue < other.rawValue }
    }

    unowned(unsafe) let worker: LoadWorker
    let number: Int
    let isPublisher: Bool
    @exclusivity(unchecked) var phase = Phase.connecting
    /// When it began to connect.
    @exclusivity(unchecked) var began: UInt64 = 0
    private var attempt: ConnectAttempt?
    /// Between the socket and the frames, of `wss`.
    @exclusivity(unchecked) var tls: TLSClient?

    // MARK: - What was sent

    /// The pool's message that is sent next.
    @exclusivity(unchecked) private var sendIndex = 0
    @exclusivity(unchecked) private(set) var sent = 0
    /// Messages of an open loop that are due and not sent.
    @exclusivity(unchecked) var owed = 0
    /// When each message under way was sent: a ring of the worker's `inFlight`.
    private let stamps: UnsafeMutablePointer<UInt64>
    @exclusivity(unchecked) private var stampHead = 0
    @exclusivity(unchecked) private var stampTail = 0

    // MARK: - What is being read

    /// A header, or a response's head, that is not whole yet.
    @exclusivity(unchecked) var partial: [UInt8] = []
    @exclusivity(unchecked) var firstByte: UInt8 = 0
    /// Bytes of the payload that are to come.
    @exclusivity(unchecked) var left = 0
    @exclusivity(unchecked) var isInPayload = false
    /// The first byte of a message's first frame; 0 between messages.
    @exclusivity(unchecked) var messageByte: UInt8 = 0
    /// Whether the message's contents are kept, in `contents`.
    @exclusivity(unchecked) var keepsContents = false
    @exclusivity(unchecked) var contents: [UInt8] = []
    /// Messages that were received whole.
    @exclusivity(unchecked) var received = 0
    /// The pool's message that comes back next.
    @exclusivity(unchecked) private(set) var replyIndex = 0
    /// A control frame's payload.
    @exclusivity(unchecked) var control: [UInt8] = []
    /// What its messages may refer to; all of them are then inflated.
    @exclusivity(unchecked) var context: ReplyContext?

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
        unsafe began = Clocks.now
        do throws(TransportError) {
            attempt = try connect(to: address) { [self] error in
                attempt = nil
                if let error { return fail("\(error)") }
                guard unsafe phase == .connecting else { return }
                if let context = unsafe worker.tls { return secure(context) }
                requestUpgrade()
            }
        } catch {
            fail("\(error)")
        }
    }

    /// The socket is connected, and encrypted where it has to be.
    func requestUpgrade() {
        unsafe phase = .handshake
        let request = unsafe isPublisher ? worker.publisherRequest : worker.request
        unsafe request.withUnsafeBytes { unsafe transmit($0) }
    }

    // MARK: - Sending

    /// Messages that were sent and are unanswered.
    var underWay: Int { unsafe sent &- received }

    /// Sends the next messages, in as few writes as the pool allows.
    ///
    /// - Parameter now: the time, which one reading of the clock gives for a read and its answers.
    func send(_ count: Int, at now: UInt64) {
        let worker = unsafe self.worker
        let pool = unsafe worker.pool!
        if worker.keepsStamps {
            for _ in 0..<count {
                unsafe stamps[stampTail] = now
                unsafe stampTail &+= 1
                if unsafe stampTail == worker.inFlight { unsafe stampTail = 0 }
            }
        }
        var rest = count
        while rest > 0 {
            let run = unsafe pool.frames(from: sendIndex, wanted: rest)
            unsafe transmit(run.bytes)
            unsafe worker.tally.wireOut &+= run.bytes.count
            unsafe rest &-= run.count
            unsafe sendIndex = unsafe pool.index(sendIndex, after: run.count)
        }
        unsafe sent &+= count
        unsafe worker.tally.messagesOut &+= count
    }

    /// Sends what an open loop owes, as far as messages may be under way. A publisher need not be
    /// sent what it publishes: it waits for the kernel to take what it has sent before.
    func sendOwed() {
        let room = unsafe isPublisher ? (hasOutbox ? 0 : .max) : worker.inFlight &- underWay
        let count = unsafe min(owed, room)
        if count > 0 {
            unsafe owed &-= count
            // An open loop counts from when a message was due.
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
        if let tls = unsafe tls { return unsafe encrypt(bytes, tls) }
        unsafe writeNow(bytes)
    }

    // MARK: - Receiving

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        if let tls = unsafe tls { return unsafe decrypt(UnsafeRawBufferPointer(bytes), tls) }
        unsafe receivedPlain(UnsafeRawBufferPointer(bytes))
    }

    @inline(__always)
    func receivedPlain(_ bytes: UnsafeRawBufferPointer) {
        var start = bytes.baseAddress!
        let end = unsafe start + bytes.count
        if unsafe phase == .handshake {
            guard let used = unsafe readHead(bytes) else { return }
            unsafe start += used
        }
        if unsafe phase == .open || phase == .closing { unsafe readFrames(start, end) }
    }

    /// When the oldest messages under way were sent, as many as were sent together.
    func takeStamps(atMost limit: Int) -> (stamp: UInt64, count: Int) {
        let size = unsafe worker.inFlight
        let stamp = unsafe stamps[stampHead]
        var count = 0
        repeat {
            count &+= 1
            unsafe stampHead &+= 1
            if unsafe stampHead == size { unsafe stampHead = 0 }
        } while unsafe count < limit && stamps[stampHead] == stamp
        return (stamp, count)
    }

    /// When the messages under way were sent, the oldest first, as many as were sent together.
    func eachUnderWay(_ body: (_ stamp: UInt64, _ count: Int) -> Void) {
        let size = unsafe worker.inFlight
        var index = unsafe stampHead
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
        unsafe received &+= messages
        unsafe replyIndex = unsafe pool.index(replyIndex, after: messages)
    }

    /// Where its messages begin in the pool.
    func start(at index: Int) {
        unsafe sendIndex = index
        unsafe replyIndex = index
    }

    // MARK: - The end

    func fail(_ detail: String) {
        guard unsafe phase != .over else { return }
        unsafe worker.note("connection \(number): \(detail)")
        finish()
    }

    /// Closes at once, without leaving the port to wait.
    func finish() {
        guard unsafe phase != .over else { return }
        let wasOpen = unsafe phase == .open
        unsafe phase = .over
        attempt?.cancel()
        resetHandle()
        unsafe worker.ended(self, wasOpen: wasOpen)
    }

    override func ended(_ error: TransportError) {
        ended(error.isEndOfFile ? "closed by the server" : "\(error)")
    }

    func ended(_ detail: String) {
        switch unsafe phase {
        case .closing: finish()
        case .over: break
        default: fail(detail)
        }
    }

    override func closed() { unsafe worker.closed(self) }
}
