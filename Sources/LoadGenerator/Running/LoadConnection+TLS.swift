package import TLSFilter
import UVTransport
import WebSocketServer

/// The TLS of a ``LoadConnection`` to a `wss` URL. Each connection makes a full handshake. None is
/// resumed, as for different users.
extension LoadConnection {
    /// Begins the TLS handshake.
    func secure(_ context: TLSClientContext) {
        let place = unsafe worker.plan.url.place
        guard case .host(let host, _) = place else { return }
        do throws(TLSClient.Fault) {
            let tls = try TLSClient(context: context, host: host)
            self.tls = tls
            _ = try tls.shakeHands()
            sendEncrypted(tls)
        } catch {
            fail(error.description)
        }
    }

    func decrypt(_ bytes: UnsafeRawBufferPointer, _ tls: TLSClient) {
        unsafe tls.receive(bytes)
        do throws(TLSClient.Fault) {
            if phase == .connecting {
                let isEstablished = try tls.shakeHands()
                sendEncrypted(tls)
                guard isEstablished else { return }
                requestUpgrade()
            }
            let continues = try unsafe tls.read { unsafe receivedPlain($0) }
            sendEncrypted(tls)
            if !continues { ended("closed by the server") }
        } catch {
            // Sends the alert for the server before the close.
            sendEncrypted(tls)
            flushIfCorked()
            ended(error.withAdvice)
        }
    }

    /// Encrypts bytes, which are sent together with all else of this turn of the loop.
    func encrypt(_ bytes: UnsafeRawBufferPointer, _ tls: TLSClient) {
        guard isOpen, bytes.count > 0 else { return }
        do throws(TLSClient.Fault) {
            try unsafe tls.write(bytes)
            sendEncrypted(tls)
        } catch {
            ended(error.description)
        }
    }

    private func sendEncrypted(_ tls: TLSClient) { unsafe tls.takeOutput { unsafe append($0) } }
}

extension TLSClient.Fault {
    /// The error, with advice if a certificate is invalid.
    package var withAdvice: String {
        guard isOfCertificate else {
            let isPlain = description.hasSuffix("wrong version number")
            return description + (isPlain ? ". The server speaks no TLS there: use ws://" : "")
        }
        if description.hasSuffix("mismatch") {
            return """
                \(description). Use the host name that the certificate is for, with SSL_CERT_FILE \
                if the certificate is your own; --insecure accepts any
                """
        }
        return """
            \(description). If the certificate is your own, set the environment variable \
            SSL_CERT_FILE to the path of its authority's certificate; --insecure accepts any
            """
    }
}
