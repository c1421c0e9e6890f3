import HTTPProtocol
import HTTPTypes
import UVTransport
import WebSocketProtocol

/// The client's side of an opening handshake with one address: connects, requests the upgrade,
/// checks the response.
final class ClientExchange: OpeningPhase, @unchecked Sendable {
    // Safety: accessed only on the loop of its connection, from `begin` on.

    typealias Outcome = Result<(Connection, HTTPResponse), ClientError>

    /// The handshake; `nil` for a plain request, any final response to which is reported as a
    /// refusal.
    private let handshake: ClientHandshake?
    private let request: HTTPRequest
    private let handler: any ConnectionHandler
    private var parser: ResponseParser
    /// The maximum bytes of a refusal's body that are kept.
    private let bodySizeMax: Int
    private var attempt: ConnectAttempt?
    private var connection: ConnectionCore?
    private var onConnected: (() -> Void)?
    private var completion: ((Outcome) -> Void)?
    private var accepted: (HTTPResponse, HandshakeAgreement, DeflateParameters?)?
    /// A response that isn't an upgrade, and its body as far as it has come.
    private var refusal: (response: HTTPResponse, body: [UInt8])?

    init(
        handshake: ClientHandshake?, request: HTTPRequest, handler: any ConnectionHandler,
        limits: HTTPLimits
    ) {
        self.handshake = handshake
        self.request = request
        self.handler = handler
        bodySizeMax = limits.bodySizeMax
        var limits = limits
        // Bytes beyond the limit are not read.
        limits.bodySizeMax = .max
        parser = ResponseParser(limits: limits)
    }

    /// Starts the handshake, on the loop of the resources.
    ///
    /// - Parameters:
    ///   - deadline: The time on the loop's clock at which it must be done, in milliseconds.
    ///   - onConnected: Called when the connection is made, before the request is sent.
    ///   - completion: Called exactly once.
    func begin(
        _ address: ConnectAddress, tls: TLSClientSettings? = nil, on resources: LoopResources,
        options: SessionOptions, deadline: UInt64, onConnected: @escaping () -> Void,
        completion: @escaping (Outcome) -> Void
    ) {
        self.onConnected = onConnected
        self.completion = completion
        guard
            let connection = makeConnection(
                to: address.socketAddress, on: resources, options: options, deadline: deadline)
        else { return }
        do {
            attempt = try connection.connect(to: address, tls: tls) { [self] error in
                attempt = nil
                if let error {
                    fail(.cannotConnect, "\(error)", underlying: error)
                } else if connection.stage == .opening {
                    self.onConnected?()
                    sendRequest(on: connection)
                }
            }
        } catch {
            fail(.cannotConnect, "\(error)", underlying: error)
        }
    }

    /// Starts the handshake on a transport instead of a socket.
    func begin(
        _ transport: StreamTransport, to peer: SocketAddress, on resources: LoopResources,
        options: SessionOptions, timeout: UInt64, completion: @escaping (Outcome) -> Void
    ) {
        self.completion = completion
        guard
            let connection = makeConnection(
                to: peer, on: resources, options: options,
                deadline: resources.loop.now + timeout)
        else { return transport.close(reset: false) }
        connection.adopt(transport)
        sendRequest(on: connection)
    }

    /// Returns a connection to connect, with the deadline of the handshake; `nil` if it has failed.
    private func makeConnection(
        to peer: SocketAddress, on resources: LoopResources, options: SessionOptions,
        deadline: UInt64
    ) -> ConnectionCore? {
        if resources.registry.isDraining {
            complete(.shutDown, "the client is shut down")
            return nil
        }
        let connection = ConnectionCore(
            resources: resources, peer: peer, role: .client, options: options, opening: self)
        self.connection = connection
        connection.setStageDeadline(deadline)
        return connection
    }

    private func sendRequest(on connection: ConnectionCore) {
        var bytes: [UInt8] = []
        RequestEncoder.encode(request, body: [], into: &bytes)
        connection.sendRaw(bytes)
    }

    /// Cancels the handshake, on the loop.
    func cancel() {
        fail(.cancelled, "cancelled")
    }

    /// Reports the refusal, and closes the connection.
    private func refuse(_ refusal: (response: HTTPResponse, body: [UInt8])) {
        let connection = self.connection
        complete(.failure(ClientError(refusal: refusal.response, body: refusal.body)))
        connection?.terminate()
    }

    private func complete(_ outcome: Outcome) {
        guard let completion else { return }
        self.completion = nil
        onConnected = nil
        connection = nil
        completion(outcome)
    }

    private func complete(
        _ code: ClientError.Code, _ detail: String, status: Int? = nil,
        underlying: (any Error)? = nil
    ) {
        complete(.failure(ClientError(code, detail, status: status, underlying: underlying)))
    }

    private func fail(
        _ code: ClientError.Code, _ detail: String, status: Int? = nil,
        underlying: (any Error)? = nil
    ) {
        guard let connection else { return }
        complete(code, detail, status: status, underlying: underlying)
        attempt?.cancel()
        connection.terminate()
    }

    // MARK: - As a phase

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        var rest = unsafe bytes
        while connection.stage == .opening {
            let input = UnsafeRawBufferPointer(rest)
            let (event, consumed) = unsafe parser.parse(input)
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(rebasing: rest[consumed...])
            switch event {
            case .needMore: return
            case .head(let response): receivedHead(response)
            case .body(let range): if unsafe !keepBody(input, range) { return }
            case .end:
                if let refusal { return refuse(refusal) }
                if let accepted { unsafe open(accepted, rest, on: connection) }
            case .failed(let fault):
                // A body that is too long: its beginning is reported.
                if let refusal { return refuse(refusal) }
                fail(.handshakeFailed, fault.detail)
            }
        }
    }

    /// Keeps a part of a refusal's body; false once there is enough of it.
    private func keepBody(_ input: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard case .some((let response, var body)) = refusal else { return true }
        // One copy of the body: the property must not hold another.
        refusal = nil
        let room = bodySizeMax - body.count
        unsafe body.append(contentsOf: input[range].prefix(room))
        refusal = (response, body)
        guard range.count >= room else { return true }
        refuse((response, body))
        return false
    }

    private func receivedHead(_ response: HTTPResponse) {
        let code = response.status.code
        // Other interim responses may precede the final one (RFC 9110 §15.2).
        if code < 200, code != 101 { return }
        guard let handshake else {
            refusal = (response, [])
            return
        }
        do throws(ClientHandshakeFault) {
            let agreement = try handshake.check(response)
            accepted = (response, agreement, try deflateParameters(agreement, handshake))
        } catch {
            switch error {
            // The body of the response says why.
            case .status: refusal = (response, [])
            default: fail(.handshakeFailed, "the server's answer is invalid: \(error)")
            }
        }
    }

    private func deflateParameters(
        _ agreement: HandshakeAgreement, _ handshake: ClientHandshake
    ) throws(ClientHandshakeFault) -> DeflateParameters? {
        guard let offer = handshake.extensions.first else { return nil }
        do {
            return try DeflateParameters.check(response: agreement.extensions, offered: offer)
        } catch {
            throw .deflate(error)
        }
    }

    private func open(
        _ accepted: (HTTPResponse, HandshakeAgreement, DeflateParameters?),
        _ rest: UnsafeMutableRawBufferPointer,
        on connection: ConnectionCore
    ) {
        var upgraded = Upgraded(
            handler: handler, options: connection.options, subprotocol: accepted.1.subprotocol)
        if let parameters = accepted.2 {
            upgraded.compression = connection.resources.codecs.take(
                parameters, options: upgraded.options)
            if upgraded.compression == nil {
                return fail(.handshakeFailed, "no memory is left for another context")
            }
        }
        connection.becomeWebSocket(upgraded)
        // The bytes after the response are frames.
        if connection.stage != .over { unsafe connection.receive(rest) }
        complete(.success((Connection(core: connection), accepted.0)))
    }

    override func deadlinePassed(on connection: ConnectionCore) {
        if let refusal { return refuse(refusal) }
        connection.resources.counters.handshakeTimeouts += 1
        fail(.timedOut, attempt == nil ? "no answer in time" : "no connection in time")
    }

    override func ended(_ error: TransportError, on connection: ConnectionCore) {
        // The body may end with the connection (RFC 9112 §6.3), or be cut off.
        if let refusal {
            return complete(
                .failure(ClientError(refusal: refusal.response, body: refusal.body)))
        }
        if let failure = connection.tlsFailure {
            return complete(.tlsFailed, "\(failure)", underlying: failure)
        }
        complete(
            .handshakeFailed, "the server left before it answered: \(error)", underlying: error)
    }

    override func drain(on connection: ConnectionCore) -> Bool {
        complete(.shutDown, "the client is shut down")
        attempt?.cancel()
        return true
    }
}
