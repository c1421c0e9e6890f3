import Foundation
import Glibc
import HTTPProtocol
import HTTPTypes

/// The client of an admin listener, for commands: one request a connection.
struct AdminClient {
    /// The host and port, without the brackets of an IPv6 address.
    let address: AdminAddress
    let token: String?

    /// The reason why a request failed, with advice.
    struct Failure: Error {
        let text: String
    }

    private static let patienceSeconds = 10
    /// The limits of a response; a list of connections may be long.
    private static let limits = HTTPLimits(bodySizeMax: 64 << 20)

    /// Sends a request. Returns the content of a successful response.
    func send(
        _ method: HTTPRequest.Method, _ path: String, query: [(String, String)] = [],
        json: [UInt8]? = nil
    ) throws(Failure) -> Data {
        let items = query.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        var request = HTTPRequest(
            method: method, scheme: "http", authority: address.authority,
            path: items.isEmpty ? path : "\(path)?\(items)")
        request.headerFields[.connection] = "close"
        if let token { request.headerFields[.authorization] = "Bearer \(token)" }
        if json != nil { request.headerFields[.contentType] = "application/json" }
        var output: [UInt8] = []
        RequestEncoder.encode(request, body: json ?? [], into: &output)
        let (status, body) = try Self.parse(try exchange(output))
        guard status.kind == .successful else { throw refusal(status, body) }
        return body
    }

    private func refusal(_ status: HTTPResponse.Status, _ body: Data) -> Failure {
        struct Problem: Decodable { let detail: String }
        if status == .unauthorized {
            return Failure(
                text: token == nil
                    ? "the server demands its admin.token: set it, or APUS_ADMIN_TOKEN"
                    : "the server has another admin.token")
        }
        let detail = (try? JSONDecoder().decode(Problem.self, from: body))?.detail
        return Failure(text: (detail ?? "the server answered \(status)").inOneLine)
    }

    /// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
    private static func encoded(_ text: String) -> String {
        let allowed = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }

    // MARK: - Bytes

    private func exchange(_ output: [UInt8]) throws(Failure) -> [UInt8] {
        let socket = try connected()
        defer { close(socket) }
        var sent = 0
        while sent < output.count {
            let count = output[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw failure("the request can't be sent") }
            sent += count
        }
        var input: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count >= 0 else { throw failure("the server doesn't answer") }
            if count == 0 { return input }
            input += buffer[..<count]
            guard input.count <= Self.limits.bodySizeMax + Self.limits.headSizeMax else {
                throw Failure(text: "the response is too long: lower --limit")
            }
        }
    }

    /// Returns a socket that is connected to the listener.
    private func connected() throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, String(address.port), &hints, &list) == 0 else {
            throw Failure(text: "\(address.host) is not a known host: check --url or admin.listen")
        }
        defer { freeaddrinfo(list) }
        var wait = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        var next = list
        while let info = next?.pointee {
            next = info.ai_next
            let made = socket(info.ai_family, info.ai_socktype | O_CLOEXEC, info.ai_protocol)
            guard made >= 0 else { continue }
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(made, SOL_SOCKET, option, &wait, socklen_t(MemoryLayout<timeval>.size))
            }
            if connect(made, info.ai_addr, info.ai_addrlen) == 0 { return made }
            let code = errno
            close(made)
            errno = code
        }
        throw failure("no server can be reached there: is it running, with admin.listen?")
    }

    private func failure(_ text: String) -> Failure {
        Failure(text: "http://\(address.authority): \(String(cString: strerror(errno))): \(text)")
    }

    private static func parse(
        _ input: [UInt8]
    ) throws(Failure) -> (status: HTTPResponse.Status, body: Data) {
        var parser = ResponseParser(limits: limits)
        var status: HTTPResponse.Status?
        var body = Data()
        var rest = input[...]
        while true {
            var (event, consumed) = rest.withUnsafeBytes { parser.parse($0) }
            if case .needMore = event { event = parser.finish() }
            switch event {
            case .head(let response): status = response.status
            case .body(let range):
                body +=
                    rest[
                        (rest.startIndex + range.lowerBound)..<(rest.startIndex + range.upperBound)]
            case .end:
                if let status, status.kind != .informational { return (status, body) }
            case .needMore, .failed:
                throw Failure(text: "the answer is not HTTP: check --url or admin.listen")
            }
            rest = rest.dropFirst(consumed)
            consumed = 0
        }
    }
}
