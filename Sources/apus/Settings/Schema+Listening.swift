import Foundation
import WebSocketServer

/// The keys about how the server listens, and for which names it answers.
extension Schema {
    static let listening: [Key] = [
        Key(
            "server.dual_stack", Choice.flag, \.server.isDualStack,
            "Whether a listener on `::` accepts IPv4 connections too."),
        Key(
            "server.socket_mode", FileMode(), \.server.unixSockets.mode,
            """
            The permission bits of a Unix-domain socket's file. A client needs the permission to \
            write.
            """),
        Key(
            "server.socket_group",
            OptionalText(accepted: "a group, or empty (that of the process)"),
            \.server.unixSockets.group,
            "The group of a Unix-domain socket's file, by name or number."),
        Key(
            "server.names", HostNames(), \.server.names,
            """
            The names in Host for which the server answers; requests for others are refused with \
            421. By default, listeners on a loopback address answer only to localhost and that \
            address, unless `proxies.trusted` has sent the request.
            """),
    ]
}

/// A place to listen on.
enum ListeningPlace: Sendable, Hashable {
    /// An address or host name, with the configured port.
    case name(String)
    case socket(path: String)
}

/// Addresses, host names and Unix-domain sockets, separated by commas; at least one.
struct ListeningPlaces: ListKind {
    private static let socketPrefix = "unix:"

    let accepted = """
        a list of IPv4 addresses, IPv6 addresses without brackets, host names and unix:PATH
        """

    func parse(_ text: String) throws(Rejection) -> [ListeningPlace] {
        var places: [ListeningPlace] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let word = part.trimmingCharacters(in: .whitespaces)
            let place: ListeningPlace
            if word.hasPrefix(Self.socketPrefix) {
                let path = try SocketPath().parse(String(word.dropFirst(Self.socketPrefix.count)))
                guard let path else { throw Rejection(problem: "not a path after unix:") }
                place = .socket(path: path)
            } else {
                place = .name(try Host().parse(word))
            }
            if places.contains(place) { throw Rejection(problem: "naming \(word) twice") }
            places.append(place)
        }
        return places
    }

    func write(_ value: [ListeningPlace]) -> String {
        value.map { place in
            switch place {
            case .name(let name): name
            case .socket(let path): Self.socketPrefix + path
            }
        }.joined(separator: ", ")
    }
}

/// The permission bits of a file in octal digits; empty means `nil`.
struct FileMode: Kind {
    let accepted = "octal digits such as 0660, or empty (by the umask)"

    func parse(_ text: String) throws(Rejection) -> Int? {
        if text.isEmpty { return nil }
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) else {
            throw Rejection(problem: "not an octal number, as 0660")
        }
        guard let mode = Int(text, radix: 8), UnixSocketConfiguration.modes.contains(mode) else {
            throw .outOfRange
        }
        return mode
    }

    func write(_ value: Int?) -> String {
        guard let value else { return "" }
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

/// Host names, separated by commas; empty is the default of the library, and `*` any name.
struct HostNames: ListKind {
    private static let anyName = "*"

    let accepted = "a list of host names and *.NAME, * (any), or empty (the default)"

    func parse(_ text: String) throws(Rejection) -> HostPolicy {
        if text.isEmpty { return .automatic }
        if text == Self.anyName { return .any }
        var patterns: [HostPolicy.Pattern] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let pattern = HostPolicy.Pattern(part.trimmingCharacters(in: .whitespaces)) else {
                throw Rejection(
                    problem: "not a list of host names without ports, as app.example.com")
            }
            patterns.append(pattern)
        }
        return .only(patterns)
    }

    func write(_ value: HostPolicy) -> String {
        switch value {
        case .automatic: ""
        case .any: Self.anyName
        case .only(let patterns): patterns.map(\.description).joined(separator: ", ")
        }
    }
}
