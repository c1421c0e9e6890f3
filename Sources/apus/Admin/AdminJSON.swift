import Foundation
import HTTPTypes
import WebSocketServer

/// The form of the admin listener's JSON: keys in snake case, sorted, with slashes as they are.
enum AdminJSON {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Numbers that JSON lacks are the only error, and no figure is one of them.
        return (try? encoder.encode(value)).map(Array.init) ?? []
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data)
    }
}

extension Response {
    /// Returns a value as JSON that no cache keeps.
    static func admin(_ value: some Encodable) -> Response {
        Response(
            headerFields: [.contentType: "application/json", .cacheControl: "no-store"],
            body: AdminJSON.encode(value))
    }
}

/// The parameters of a request's query, each of which must be known and given once.
struct AdminQuery {
    private let items: [QueryItem]

    init(_ request: Request, allowing names: [ExactString]) throws(Problem) {
        items = request.queryItems
        var seen: [ExactString] = []
        for item in items {
            guard names.contains(item.name) else {
                throw Problem(
                    .unprocessableContent,
                    "Unknown parameter \(item.name); allowed: "
                        + names.map(\.description).joined(separator: ", ") + ".")
            }
            guard !seen.contains(item.name) else {
                throw Problem(.unprocessableContent, "Give \(item.name) only once.")
            }
            seen.append(item.name)
        }
    }

    /// The value of a parameter; `nil` without one.
    subscript(name: ExactString) -> ExactString? { items.first { $0.name == name }?.value }

    /// Returns a whole number within a range.
    func number(
        _ name: ExactString, in range: ClosedRange<Int>, default value: Int
    ) throws(Problem) -> Int {
        guard let text = self[name] else { return value }
        guard text.utf8.count <= 20, let number = Int(text.string), range.contains(number) else {
            throw Problem(
                .unprocessableContent,
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }
}
