package import HTTPTypes
import HTTPProtocol

/// A plain request, for small documents of other servers.
extension WebSocketClient {
    /// Sends a GET request to an `http` or `https` URL, and returns the response.
    ///
    /// It takes at most ``Limits/handshakeTimeout`` of the client, and so does the lookup of the
    /// host's name. A longer body than ``Limits/bodySizeMax`` is cut off there. Redirections aren't
    /// followed.
    package func get(
        _ url: String, headerFields: HTTPFields = [:]
    ) async throws(ClientError) -> (response: HTTPResponse, body: [UInt8]) {
        let url = try WebSocketURL(httpURL: url)
        let request = HTTPRequest(
            method: .get, scheme: nil, authority: url.authority, path: url.target,
            headerFields: headerFields)
        do throws(ClientError) {
            _ = try await open(url, as: request)
        } catch {
            guard error.code == .refused, let response = error.response else { throw error }
            return (response, error.body)
        }
        throw ClientError(.handshakeFailed, "the server switched protocols unasked")
    }
}

extension WebSocketURL {
    /// Reads an `http` or `https` URL.
    package init(httpURL text: String) throws(ClientError) {
        let schemes = ["http:": "ws:", "https:": "wss:"]
        guard let scheme = schemes.first(where: { text.lowercased().hasPrefix($0.key + "//") })
        else { throw ClientError(.invalidURL, "not a URL of the form https://host:port/path") }
        try self.init(scheme.value + text.dropFirst(scheme.key.count), hasTLS: true)
    }
}
