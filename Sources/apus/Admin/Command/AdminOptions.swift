import ArgumentParser
import Foundation

/// The options that locate an admin listener.
struct AdminOptions: ParsableArguments {
    @OptionGroup var source: SourceOptions

    @Option(
        help: ArgumentHelp(
            "The admin listener, as http://127.0.0.1:8081 (default: admin.listen).",
            valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            """
            The token (default: admin.token). Other users of the machine can see command lines: \
            prefer APUS_ADMIN_TOKEN.
            """, valueName: "token"))
    var token: String?

    @Flag(help: "Print the server's answer as JSON.")
    var json = false

    func validate() throws {
        if let url, Self.address(of: url) == nil {
            throw ValidationError("--url must be a URL such as http://127.0.0.1:8081.")
        }
    }

    /// Returns the client. Exits with 78 if no address is known.
    func client() throws -> AdminClient {
        let settings = try loadForCommand(source.sources()).settings.admin
        guard let address = url.flatMap(Self.address) ?? settings.listen.map(Self.reachable) else {
            throw complaint(
                "there is no admin listener: set admin.listen as for the server, or give --url", 78)
        }
        return AdminClient(address: address, token: token ?? settings.token)
    }

    /// Sends a request, and prints the answer: as JSON, or as `text` of its value.
    func run<Answer: Decodable>(
        _ type: Answer.Type, text: (Answer) -> String,
        _ request: (AdminClient) throws(AdminClient.Failure) -> Data
    ) throws {
        let client = try client()
        do {
            let body = try request(client)
            if json { return print(String(decoding: body, as: UTF8.self).escapedAsJSON) }
            print(text(try AdminJSON.decode(type, from: body)))
        } catch let failure as AdminClient.Failure {
            throw complaint(failure.text)
        } catch is DecodingError {
            throw complaint("the answer isn't that of an admin listener: check --url")
        }
    }

    /// Returns the address of a URL; `nil` if it isn't one of plain HTTP without a path.
    private static func address(of url: String) -> AdminAddress? {
        guard let parts = URLComponents(string: url), parts.scheme == "http",
            let host = parts.host, !host.isEmpty, ["", "/"].contains(parts.path),
            parts.query == nil, parts.user == nil
        else { return nil }
        let plain = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        return AdminAddress(host: plain, port: parts.port ?? 80)
    }

    /// Returns the address by which this machine reaches a listener.
    private static func reachable(_ listener: AdminAddress) -> AdminAddress {
        switch listener.host {
        case "0.0.0.0": AdminAddress(host: "127.0.0.1", port: listener.port)
        case "::": AdminAddress(host: "::1", port: listener.port)
        default: listener
        }
    }
}

extension String {
    /// The text of JSON in which names that a client chose can't control a terminal.
    fileprivate var escapedAsJSON: String {
        unicodeScalars.map { scalar in
            guard scalar.isRisky else { return String(scalar) }
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }
}

/// A table for people: columns are aligned, and as wide as their longest text.
struct TextTable {
    let columns: [String]
    var rows: [[String]]
    /// The columns with numbers, which are aligned to the right.
    var numbers: Set<Int> = []

    var text: String {
        let cells = [columns] + rows.map { $0.map(\.inOneLine) }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                if numbers.contains(column) { return space + row[column] }
                return column == row.count - 1 ? row[column] : row[column] + space
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
