import HTTPProtocol

/// The names in a request's `Host` for which the server answers.
///
/// A web page can give its own name the address of somebody else's server (DNS rebinding). Browsers
/// then treat both as one origin, so that the page may read everything. Its requests still name the
/// page's own host. A server that answers to its own names only refuses them with 421 (Misdirected
/// Request, RFC 9110 §15.5.20).
///
/// Ports are ignored. `localhost`, the names below it, and the IP addresses of the listener are
/// always accepted, because nobody else can make them lead here.
public enum HostPolicy: Sendable, Hashable {
    /// Listeners on a loopback address accept only that address and `localhost`, except for
    /// requests that a trusted proxy passes on. Other listeners accept any name.
    case automatic
    /// Any name is accepted.
    case any
    /// Only these names are accepted, on each listener and also from proxies.
    case only([Pattern])

    /// A host name such as `app.example.com`, or all names below one, such as `*.example.com`
    /// (which doesn't include `example.com` itself).
    public struct Pattern: Sendable, Hashable, CustomStringConvertible {
        /// The labels in lower case, as ASCII bytes.
        let name: [UInt8]
        let matchesBelow: Bool

        static let localhost = Pattern(name: Array("localhost".utf8), matchesBelow: false)
        static let belowLocalhost = Pattern(name: Array("localhost".utf8), matchesBelow: true)

        private init(name: [UInt8], matchesBelow: Bool) {
            self.name = name
            self.matchesBelow = matchesBelow
        }

        /// Parses a pattern. Returns `nil` for anything else, such as a name with a port. Names
        /// with letters outside ASCII are written in their ASCII form (`xn--…`).
        public init?(_ text: String) {
            let below = "*.".utf8
            matchesBelow = text.utf8.starts(with: below)
            name = text.utf8.dropFirst(matchesBelow ? below.count : 0).map(\.lowercased)
            let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard name.count <= 253, labels.allSatisfy(Self.isLabel) else { return nil }
        }

        private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
            1...63 ~= label.count
                && label.allSatisfy { byte in
                    switch byte {
                    case 0x61...0x7A, 0x30...0x39, 0x2D, 0x5F: true
                    default: false
                    }
                }
        }

        /// Returns whether a name in lower case is meant.
        func matches(_ other: ArraySlice<UInt8>) -> Bool {
            guard matchesBelow else { return other.elementsEqual(name) }
            let dot = other.endIndex - name.count - 1
            return dot > other.startIndex && other[dot] == UInt8(ascii: ".")
                && other[(dot + 1)...].elementsEqual(name)
        }

        public var description: String {
            (matchesBelow ? "*." : "") + String(decoding: name, as: UTF8.self)
        }
    }
}
