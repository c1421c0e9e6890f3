import WebSocketProtocol

/// The negotiation of permessage-deflate, within the memory budget of contexts.
extension LoopCodecs {
    /// Negotiates as a server: returns the compression for a client's offers, and the response.
    func accept(_ offers: [ExtensionOffer], options: SessionOptions)
        -> (compression: MessageCompression, response: ExtensionOffer)?
    {
        let compression = options.compression
        guard compression.isEnabled, !offers.isEmpty else { return nil }
        var policy = DeflatePolicy(
            serverWindowBits: compression.serverWindowBits,
            clientWindowBits: compression.clientWindowBits,
            server: compression.contextTakeover == .off ? .off : .allowed,
            client: compression.allowsPeerContextTakeover ? .allowed : .off)
        guard var agreed = DeflateParameters.accept(offers, policy: policy) else { return nil }
        var reserve = reserve(for: agreed.parameters, role: .server, options: options)
        if !reserve.isNone, !takeMemory(reserve.total) {
            // §7.1.1.2: every client must accept `client_no_context_takeover` in a response.
            counts.contextsRefused += 1
            if compression.contextTakeover == .perConnection { policy.server = .off }
            policy.client = .off
            reserve = .init()
            guard let without = DeflateParameters.accept(offers, policy: policy) else { return nil }
            agreed = without
        }
        counts.agreed += 1
        let made = self.compression(
            agreed.parameters, role: .server, options: options, reserved: reserve)
        return (made, agreed.response)
    }

    /// Negotiates as a client: returns the compression for a server's response; `nil` if its
    /// contexts exceed the rest of the budget.
    func take(_ parameters: DeflateParameters, options: SessionOptions) -> MessageCompression? {
        let reserve = reserve(for: parameters, role: .client, options: options)
        guard reserve.isNone || takeMemory(reserve.total) else {
            counts.contextsRefused += 1
            return nil
        }
        counts.agreed += 1
        return compression(parameters, role: .client, options: options, reserved: reserve)
    }

    /// Returns the most memory that the contexts of a connection can take.
    private func reserve(
        for parameters: DeflateParameters, role: Session.Role, options: SessionOptions
    ) -> MessageCompression.Reserve {
        var reserve = MessageCompression.Reserve()
        let compression = options.compression
        let bits = parameters.deflateWindowBits(as: role, atMost: compression.windowBits(of: role))
        if let bits, compression.contextTakeover == .perConnection,
            parameters.deflateMayKeepContext(as: role)
        {
            reserve.sending = DeflateHistory.memorySizeMax(windowBits: bits)
        }
        if parameters.inflateMustKeepContext(as: role) {
            reserve.receiving = DeflateHistory.memorySizeMax(
                windowBits: parameters.inflateWindowBits(as: role))
        }
        return reserve
    }
}

extension Compression {
    /// The offer of a client; `nil` if compression is turned off.
    var offer: ExtensionOffer? {
        guard isEnabled else { return nil }
        return DeflateParameters.offer(
            serverNoContextTakeover: !allowsPeerContextTakeover,
            clientNoContextTakeover: contextTakeover != .perConnection,
            clientMaxWindowBits: max(clientWindowBits, 9))
    }
}
