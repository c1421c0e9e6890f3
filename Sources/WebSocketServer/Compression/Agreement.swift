import WebSocketProtocol

/// Agreeing on permessage-deflate with a peer, within the memory that contexts may use.
extension LoopCodecs {
    /// As a server: what a connection gets for a client's offers, and the response that says so.
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
            // Every client can do without: §7.1.1.2 binds it to what the response says.
            unsafe counts.contextsRefused += 1
            if compression.contextTakeover == .perConnection { policy.server = .off }
            policy.client = .off
            reserve = .init()
            guard let without = DeflateParameters.accept(offers, policy: policy) else { return nil }
            agreed = without
        }
        unsafe counts.agreed += 1
        let made = self.compression(
            agreed.parameters, role: .server, options: options, reserved: reserve)
        return (made, agreed.response)
    }

    /// As a client: what a connection gets for what a server has agreed to; `nil` where the
    /// contexts that it asks for are more than the budget has left.
    func take(_ parameters: DeflateParameters, options: SessionOptions) -> MessageCompression? {
        let reserve = reserve(for: parameters, role: .client, options: options)
        guard reserve.isNone || takeMemory(reserve.total) else {
            unsafe counts.contextsRefused += 1
            return nil
        }
        unsafe counts.agreed += 1
        return compression(parameters, role: .client, options: options, reserved: reserve)
    }

    /// What the contexts of a connection may come to.
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
    /// As a client: the offer to make; `nil` if none.
    var offer: ExtensionOffer? {
        guard isEnabled else { return nil }
        return DeflateParameters.offer(
            serverNoContextTakeover: !allowsPeerContextTakeover,
            clientNoContextTakeover: contextTakeover != .perConnection,
            clientMaxWindowBits: max(clientWindowBits, 9))
    }
}
