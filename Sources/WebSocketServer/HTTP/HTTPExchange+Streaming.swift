import HTTPProtocol
import HTTPTypes
import UVTransport

/// Responses whose content is made while they are sent.
extension HTTPExchange {
    /// Sends a response's head, then one part after the other.
    func stream(
        _ response: Response, from source: @escaping Response.Stream, keepAlive: Bool,
        isHTTP10: Bool, on connection: ConnectionCore
    ) {
        let framing: ResponseEncoder.Framing
        if let length = response.contentLength {
            framing = .length(length)
        } else {
            // HTTP/1.0 has no chunks: the end of the connection is the end of the content.
            framing = isHTTP10 ? .untilClose : .chunked
        }
        var keepAlive = keepAlive
        if case .untilClose = framing { keepAlive = false }
        count(response.status, on: connection)
        var fields = response.headerFields
        access.add(to: &fields)
        var output: [UInt8] = []
        ResponseEncoder.encodeHead(
            HTTPResponse(status: response.status, headerFields: fields),
            framing, keepAlive: keepAlive, date: service.date, into: &output)
        connection.sendRaw(output)
        noteRequestID(in: response.headerFields)
        let stream = ResponseStream(source, response.status, framing, keepAlive: keepAlive)
        state = .streaming(stream)
        stream.pull(on: connection)
    }
}

/// The rest of a response that is sent in parts, each asked for when there is room for it.
final class ResponseStream {
    private let source: Response.Stream
    let status: HTTPResponse.Status
    /// The bytes of the content so far.
    private(set) var bytesSent = 0
    private let isChunked: Bool
    /// The bytes that are still to come; `nil` if the content's length isn't known.
    private var left: Int?
    private let keepAlive: Bool
    /// A part has been asked for.
    private var isPulling = false
    private var task: Task<Void, Never>?

    init(
        _ source: @escaping Response.Stream, _ status: HTTPResponse.Status,
        _ framing: ResponseEncoder.Framing, keepAlive: Bool
    ) {
        self.source = source
        self.status = status
        isChunked = if case .chunked = framing { true } else { false }
        left = if case .length(let length) = framing { length } else { nil }
        self.keepAlive = keepAlive
    }

    /// Asks for the next part if the client has room for it.
    func pull(on connection: ConnectionCore) {
        guard !isPulling else { return }
        guard connection.outboxCount <= connection.options.outboxHighWater else {
            return awaitReader(on: connection)
        }
        isPulling = true
        _ = connection.holdPlace()
        connection.loop.cancel(connection)
        let warnings = connection.resources.warnings
        task = connection.startTask { [source] in
            let part: Result<[UInt8]?, any Error>
            do {
                part = .success(try await source())
            } catch {
                part = .failure(error)
                // If the client has left, an error is no news.
                if !Task.isCancelled { warnings.failedRequest.log(["error": "\(error)"]) }
            }
            connection.onLoop { connection in
                guard connection.stage == .opening,
                    let exchange = connection.opening as? HTTPExchange,
                    case .streaming(let stream) = exchange.state
                else { return }
                stream.send(part, exchange, on: connection)
            }
        }
    }

    private func send(
        _ part: Result<[UInt8]?, any Error>, _ exchange: HTTPExchange,
        on connection: ConnectionCore
    ) {
        isPulling = false
        task = nil
        guard case .success(let part) = part else {
            return connection.terminate(reason: "response ended early", reset: true)
        }
        if let left {
            self.left = left - (part?.count ?? 0)
            // RFC 9110 §8.6: a content of another length than announced can't be sent.
            guard part.map({ $0.count <= left }) ?? (left == 0) else {
                connection.resources.warnings.failedRequest.log([
                    "error": "a streamed body has another size than its contentLength"
                ])
                return connection.terminate(reason: "response of a wrong length", reset: true)
            }
        }
        var output: [UInt8] = []
        if let part {
            if isChunked {
                ResponseEncoder.encode(chunk: part, into: &output)
            } else {
                output = part
            }
        } else if isChunked {
            output = ResponseEncoder.lastChunk
        }
        connection.sendRaw(output)
        bytesSent += part?.count ?? 0
        if part == nil {
            exchange.logAccess(status, bytes: bytesSent, on: connection)
            exchange.responded(keepAlive: keepAlive, on: connection)
        } else {
            connection.flushIfCorked()
            pull(on: connection)
        }
    }

    /// Cancels the task that makes the next part, since the client has left.
    func cancel() { task?.cancel() }

    func outboxShrank(isLow: Bool, on connection: ConnectionCore) {
        guard !isPulling else { return }
        awaitReader(on: connection)
        if isLow { pull(on: connection) }
    }

    /// Gives the client time to take something. Meanwhile the connection may be evicted: otherwise
    /// clients that read a little at a time could use up all places.
    private func awaitReader(on connection: ConnectionCore) {
        guard let exchange = connection.opening as? HTTPExchange else { return }
        connection.waitInPlace()
        connection.setStageDeadline(connection.loop.now + exchange.settings.handshakeTimeout)
    }
}
