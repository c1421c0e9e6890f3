import HTTPProtocol
import HTTPTypes
import WebSocketProtocol

/// The opening handshake of a ``LoadConnection``.
///
/// All connections of a load send the same request with the same key. A response whose bytes equal
/// an accepted one is accepted too; only others are parsed.
extension LoadConnection {
    private static let headSizeMax = 16 << 10

    /// Parses the response's head. Returns the number of bytes of this read that belong to it, or
    /// `nil` if it is incomplete or a refusal.
    func readHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        let worker = unsafe self.worker
        let known = worker.acceptedHead
        if partial.isEmpty, !known.isEmpty, known.count <= bytes.count,
            unsafe UnsafeRawBufferPointer(rebasing: bytes[..<known.count]).elementsEqual(known)
        {
            opened(worker)
            return known.count
        }
        let before = partial.count
        unsafe partial.append(contentsOf: bytes)
        guard let size = Self.headSize(partial) else {
            if partial.count > Self.headSizeMax { fail("the answer's head does not end") }
            return nil
        }
        let head = Array(partial.prefix(size))
        partial.removeAll(keepingCapacity: true)
        do throws(LoadError) {
            let agreement = try Self.check(head, worker)
            // A path of the publishers' own may have a different response.
            if !isPublisher || worker.plan.publishTarget == nil {
                if worker.acceptedHead.isEmpty { worker.agreement = agreement }
                worker.acceptedHead = head
            }
        } catch {
            fail(error.description)
            return nil
        }
        opened(worker)
        return size - before
    }

    private func opened(_ worker: LoadWorker) {
        phase = .open
        worker.opened(self)
    }

    /// Returns the number of bytes up to and including the empty line.
    private static func headSize(_ bytes: [UInt8]) -> Int? {
        var index = 3
        while index < bytes.count {
            if bytes[index] == 0x0A, bytes[index - 1] == 0x0D, bytes[index - 2] == 0x0A,
                bytes[index - 3] == 0x0D
            {
                return index + 1
            }
            index += 1
        }
        return nil
    }

    /// Returns the parameters that the response agrees to. Throws if it is a refusal or invalid.
    private static func check(
        _ head: [UInt8], _ worker: LoadWorker
    ) throws(LoadError) -> DeflateParameters? {
        var parser = ResponseParser(limits: HTTPLimits(headSizeMax: headSizeMax, bodySizeMax: .max))
        let event = unsafe head.withUnsafeBytes { unsafe parser.parse($0).event }
        guard case .head(let response) = event else {
            throw LoadError("the answer is no HTTP response")
        }
        do throws(ClientHandshakeFault) {
            let agreement = try worker.handshake.check(response)
            guard let offer = worker.handshake.extensions.first else { return nil }
            do throws(DeflateFault) {
                let agreed = try DeflateParameters.check(
                    response: agreement.extensions, offered: offer)
                if agreed != nil || !worker.plan.demandsCompression { return agreed }
            } catch {
                throw .deflate(error)
            }
        } catch {
            if case .status = error { throw LoadError("the server answered \(response.status)") }
            throw LoadError("the answer is at fault: \(error)")
        }
        throw LoadError("the server does not agree to compression; see --compression off")
    }
}
