import RedisProtocol
import TLSFilter
import UVTransport

/// One connection to Redis, from its creation to its end. It sends commands, and receives their
/// answers in order as well as pushed messages. Only its loop's thread uses it.
final class RedisLink: Stream, @unchecked Sendable {
    /// The outcome of a command.
    enum Answer {
        case reply(RedisReply)
        /// The connection ended before the answer, for this reason.
        case lost(String)
    }

    typealias OnAnswer = (Answer) -> Void

    private struct Awaited {
        let deadline: UInt64
        let onAnswer: OnAnswer
    }

    private let commandTimeout: UInt64
    private var reader: ReplyReader
    private var awaited = RingQueue<Awaited>()
    private var attempt: ConnectAttempt?
    /// The TLS session between the socket and the Redis protocol, if there is one.
    private let tls: TLSClient?
    /// Called at the end of the TLS handshake.
    private var onSecured: (() -> Void)?
    private var isOver = false
    /// Called with the messages of subscriptions: replies that no command awaits. If it is `nil`,
    /// such a reply ends the connection, because it would be taken for the answer to a later
    /// command.
    var onPush: ((RedisReply) -> Void)?
    /// Called once with the reason when the connection ends by itself, unless ``shut(_:)`` comes
    /// first.
    var onEnd: ((String) -> Void)?

    init(loop: EventLoop, tls: TLSClient?, options: RedisOptions) {
        self.tls = tls
        commandTimeout = options.commandTimeout.milliseconds
        reader = ReplyReader(limits: ReplyReader.Limits(replyMax: options.replySizeMax))
        super.init(loop: loop)
    }

    /// Connects. `completion` is called once, with `nil` when the link is usable. It isn't called
    /// if the link is shut before, or if the TLS handshake fails, which ``onEnd`` reports.
    func open(_ address: ConnectAddress, completion: @escaping (TransportError?) -> Void) {
        do throws(TransportError) {
            attempt = try connect(to: address) { [self] error in
                attempt = nil
                if isOver { return }
                if error == nil, tls != nil {
                    onSecured = { completion(nil) }
                    receiveEncrypted()
                } else {
                    completion(error)
                }
            }
        } catch {
            completion(error)
        }
    }

    /// Sends a command. Without `onAnswer`, its answer arrives as a push.
    func send(_ arguments: [[UInt8]], onAnswer: OnAnswer?) {
        guard !isOver, isOpen else {
            onAnswer?(.lost("the connection to Redis is over"))
            return
        }
        if let onAnswer {
            awaited.append(Awaited(deadline: loop.now + commandTimeout, onAnswer: onAnswer))
            if awaited.count == 1 { scheduleDeadline() }
        }
        let command = redisCommand(arguments)
        unsafe command.withUnsafeBytes { unsafe write($0) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard let tls else {
            // Safety: there is room for as many bytes as are copied.
            if let place = unsafe append(bytes.count) {
                unsafe place.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
            }
            return
        }
        do throws(TLSClient.Fault) {
            try unsafe tls.write(bytes)
            sendEncrypted(tls)
        } catch {
            // Reported later, because the caller is in the middle of an operation.
            loop.execute { [self] in end(error.description) }
        }
    }

    /// Ends the connection at once. Pending commands receive the error; ``onEnd`` isn't called.
    func shut(_ reason: String) {
        guard !isOver else { return }
        isOver = true
        onSecured = nil
        onPush = nil
        onEnd = nil
        attempt?.cancel()
        attempt = nil
        closeHandle()
        while let command = awaited.popFirst() { command.onAnswer(.lost(reason)) }
    }

    private func end(_ reason: String) {
        let onEnd = self.onEnd
        shut(reason)
        onEnd?(reason)
    }

    // MARK: - From the loop

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let tls else { return unsafe receivePlain(UnsafeRawBufferPointer(bytes)) }
        unsafe tls.receive(UnsafeRawBufferPointer(bytes))
        receiveEncrypted()
    }

    private func receiveEncrypted() {
        guard let tls else { return }
        do throws(TLSClient.Fault) {
            let wasEstablished = tls.isEstablished
            let isEstablished = try tls.shakeHands()
            sendEncrypted(tls)
            guard isEstablished else { return }
            if !wasEstablished {
                let onSecured = self.onSecured
                self.onSecured = nil
                onSecured?()
            }
            let continues = try unsafe tls.read { bytes in
                if !isOver { unsafe receivePlain(bytes) }
            }
            if isOver { return }
            sendEncrypted(tls)
            if !continues { end("Redis closed the connection") }
        } catch {
            // Sends the TLS alert for the peer before the close.
            sendEncrypted(tls)
            end(error.description)
        }
    }

    private func sendEncrypted(_ tls: TLSClient) {
        unsafe tls.takeOutput { unsafe append($0) }
    }

    private func receivePlain(_ bytes: UnsafeRawBufferPointer) {
        unsafe reader.feed(bytes)
        do throws(ProtocolFault) {
            while !isOver, let reply = try reader.next() { receive(reply) }
        } catch {
            end("Redis sent \(error.description)")
        }
    }

    private func receive(_ reply: RedisReply) {
        if let command = awaited.popFirst() {
            scheduleDeadline()
            command.onAnswer(.reply(reply))
        } else if let onPush {
            onPush(reply)
        } else {
            end("Redis sent a reply that no command awaits")
        }
    }

    override func ended(_ error: TransportError) {
        end(error.isEndOfFile ? "Redis closed the connection" : "\(error)")
    }

    // MARK: - Deadlines

    /// Answers arrive in order, so only the first deadline matters.
    private func scheduleDeadline() {
        if let first = awaited.first {
            loop.schedule(self, at: first.deadline)
        } else {
            loop.cancel(self)
        }
    }

    override func deadlinePassed(now: UInt64) {
        end("Redis did not answer within \(commandTimeout) ms")
    }
}
